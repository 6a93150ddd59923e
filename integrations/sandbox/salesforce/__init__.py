"""Salesforce: Contacts, Leads and Events by REST 59.0, SOQL, and the SOAP call that merges."""
