"""What agreement and disagreement of a field mean: probabilities chosen by what happens to contacts, not fitted. Pure.

Four kinds of pair compete: one person twice (SAME), two people of one household (HOUSEHOLD: family name, phone or
mailbox in common), namesakes (NAMESAKE: the name in common, and nothing else), and strangers. Evidence is in bits, log2
of how much likelier what is seen is than among strangers (Fellegi and Sunter, "A Theory for Record Linkage", 1969);
3 bits are eight to one.
"""

# --- Names of one person, as typed twice.
WORD_EQUAL = 0.8
# A nickname or another transliteration, of about four that there are.
WORD_SPELLING = 0.1 / 4
# A typing error; one word is of about sixty that are near. A second one is rarer, and makes any of thousands.
WORD_TYPO = 0.06
WORD_IS_TYPO = WORD_TYPO / 60
WORD_TWO_TYPOS = 0.01 / 100
# How much oftener strangers have a word that is near a long one than the word itself.
NEAR_WORDS = 2.0
WORD_INITIAL = 0.1
# Given and family name go together, in a generation and in a community: chance namesakes are more than their product.
TOGETHER = 1.5
GIVEN_DIFFERS = 0.005
# Married, or one of two family names.
FAMILY_DIFFERS = 0.015
# The words stand in another order, or a further name took the place of the first.
SWAPPED = 0.1
FURTHER_NAME = 0.2
MIDDLE_DIFFERS = 0.15
MIDDLE_EQUAL = 0.5

# --- Two people of one household.
HOUSEHOLD_FAMILY = 0.8
HOUSEHOLD_OTHER_FAMILY = 0.2
# They seldom have one given name.
HOUSEHOLD_GIVEN = 0.1

# --- E-mail.
MAIL_EQUAL = 0.5
MAIL_TYPO = 0.06
# Strangers' addresses at one domain that are as near: of namesakes, and where the address does not spell a name.
NAMESAKES_MAIL_NEAR = 0.004
STRANGERS_MAIL_NEAR = 0.0001
# One local part at two providers.
MAIL_OTHER_DOMAIN = 0.08
MAIL_DIFFERS_AT_WORK = 0.15
MAIL_DIFFERS = 0.3
# The part of addresses that somebody else uses as well, though nothing shows it.
MAIL_SHARED = 0.02
# Namesakes who give one address that only spells their name, at a provider where anybody may have it.
MAIL_OF_NAMESAKES = 0.0003
HOUSEHOLD_MAIL = 0.3

# --- Phone.
PHONE_EQUAL = 0.5
# A digit wrong, against any of eighty numbers that are near among a million in use around it.
PHONE_TYPO = 0.04 / 80e-6
PHONE_DIFFERS = 0.4
PHONE_SHARED = 0.1
# Colleagues who have one number: where nobody else is known to have it, one other, and more.
COLLEAGUES_PHONE = 0.05
COLLEAGUES_COMMON_PHONE = 0.15
COLLEAGUES_SWITCHBOARD = 0.5
HOUSEHOLD_PHONE = 0.5
HOUSEHOLD_PHONE_DIFFERS = 0.5

# --- Company.
COMPANY_EQUAL = 0.75
COMPANY_NEAR = 0.1
COMPANY_DIFFERS = 0.15
# The part of strangers' companies that are as near.
STRANGERS_COMPANY_NEAR = 0.003

# --- Country.
COUNTRY_EQUAL = 0.97
COUNTRY_DIFFERS = 0.03

# --- How often one person's values differ, until the file has shown it: two addresses of free mail, or of one employer.
DIFFER = {
    "company": COMPANY_DIFFERS,
    "email": MAIL_DIFFERS,
    "email_at_work": MAIL_DIFFERS_AT_WORK,
    "phone": PHONE_DIFFERS,
}
# What is usual is believed as much as what so many pairs show.
USUAL_PAIRS = 50

# --- Before anything is compared: so many pairs of each kind for every contact, until the file has shown its own.
SAME_PAIRS = 0.2
HOUSEHOLD_PAIRS = 0.05
# Namesakes by tradition, as father and son; by chance there are more, the more contacts, which frequencies tell.
NAMESAKE_PAIRS = 0.01
