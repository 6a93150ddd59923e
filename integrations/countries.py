"""What people write for a country, as its two-letter code (ISO 3166-1 alpha-2). Pure.

Names are the English short ones, and those by which larger countries call themselves.
"""

import unicodedata

# A code, and its names by bars.
TABLE = """
AD Andorra; AE United Arab Emirates|Emirates|UAE; AF Afghanistan; AG Antigua and Barbuda; AI Anguilla; AL Albania;
AM Armenia; AO Angola; AQ Antarctica; AR Argentina; AS American Samoa; AT Austria|Österreich; AU Australia; AW Aruba;
AX Åland Islands|Åland; AZ Azerbaijan; BA Bosnia and Herzegovina|Bosnia; BB Barbados; BD Bangladesh;
BE Belgium|België|Belgique|Belgien; BF Burkina Faso; BG Bulgaria|България; BH Bahrain; BI Burundi; BJ Benin;
BL Saint Barthélemy; BM Bermuda; BN Brunei|Brunei Darussalam; BO Bolivia; BQ Bonaire, Sint Eustatius and Saba;
BR Brazil|Brasil; BS Bahamas; BT Bhutan; BV Bouvet Island; BW Botswana; BY Belarus; BZ Belize; CA Canada;
CC Cocos (Keeling) Islands|Cocos Islands; CD Democratic Republic of the Congo|DR Congo|Congo-Kinshasa;
CF Central African Republic; CG Congo|Republic of the Congo|Congo-Brazzaville; CH Switzerland|Schweiz|Suisse|Svizzera;
CI Côte d'Ivoire|Ivory Coast; CK Cook Islands; CL Chile; CM Cameroon|Cameroun; CN China|People's Republic of China|中国;
CO Colombia; CR Costa Rica; CU Cuba; CV Cape Verde|Cabo Verde; CW Curaçao; CX Christmas Island; CY Cyprus;
CZ Czech Republic|Czechia|Česko|Česká republika; DE Germany|Deutschland; DJ Djibouti; DK Denmark|Danmark; DM Dominica;
DO Dominican Republic|República Dominicana; DZ Algeria|Algérie; EC Ecuador; EE Estonia|Eesti; EG Egypt;
EH Western Sahara; ER Eritrea; ES Spain|España; ET Ethiopia; FI Finland|Suomi; FJ Fiji; FK Falkland Islands;
FM Micronesia; FO Faroe Islands; FR France; GA Gabon;
GB United Kingdom|UK|Great Britain|Britain|England|Scotland|Wales|Northern Ireland; GD Grenada; GE Georgia;
GF French Guiana; GG Guernsey; GH Ghana; GI Gibraltar; GL Greenland; GM Gambia; GN Guinea; GP Guadeloupe;
GQ Equatorial Guinea; GR Greece|Ελλάδα; GS South Georgia and the South Sandwich Islands; GT Guatemala; GU Guam;
GW Guinea-Bissau; GY Guyana; HK Hong Kong|香港; HM Heard Island and McDonald Islands; HN Honduras;
HR Croatia|Hrvatska; HT Haiti; HU Hungary|Magyarország; ID Indonesia; IE Ireland|Éire; IL Israel; IM Isle of Man;
IN India|भारत; IO British Indian Ocean Territory; IQ Iraq; IR Iran; IS Iceland|Ísland; IT Italy|Italia; JE Jersey;
JM Jamaica; JO Jordan; JP Japan|日本; KE Kenya; KG Kyrgyzstan; KH Cambodia; KI Kiribati; KM Comoros;
KN Saint Kitts and Nevis; KP North Korea; KR South Korea|Korea|Republic of Korea|대한민국|한국; KW Kuwait;
KY Cayman Islands; KZ Kazakhstan; LA Laos; LB Lebanon; LC Saint Lucia; LI Liechtenstein; LK Sri Lanka; LR Liberia;
LS Lesotho; LT Lithuania|Lietuva; LU Luxembourg|Luxemburg; LV Latvia|Latvija; LY Libya; MA Morocco|Maroc; MC Monaco;
MD Moldova; ME Montenegro|Crna Gora; MF Saint Martin; MG Madagascar; MH Marshall Islands;
MK North Macedonia|Macedonia; ML Mali; MM Myanmar|Burma; MN Mongolia; MO Macao|Macau; MP Northern Mariana Islands;
MQ Martinique; MR Mauritania; MS Montserrat; MT Malta; MU Mauritius; MV Maldives; MW Malawi; MX Mexico;
MY Malaysia; MZ Mozambique; NA Namibia; NC New Caledonia; NE Niger; NF Norfolk Island; NG Nigeria; NI Nicaragua;
NL Netherlands|The Netherlands|Nederland|Holland; NO Norway|Norge; NP Nepal; NR Nauru; NU Niue; NZ New Zealand;
OM Oman; PA Panama; PE Peru; PF French Polynesia; PG Papua New Guinea; PH Philippines; PK Pakistan;
PL Poland|Polska; PM Saint Pierre and Miquelon; PN Pitcairn; PR Puerto Rico; PS Palestine; PT Portugal; PW Palau;
PY Paraguay; QA Qatar; RE Réunion; RO Romania; RS Serbia|Srbija|Србија;
RU Russia|Russian Federation|Россия; RW Rwanda; SA Saudi Arabia|KSA; SB Solomon Islands; SC Seychelles; SD Sudan;
SE Sweden|Sverige; SG Singapore; SH Saint Helena; SI Slovenia|Slovenija; SJ Svalbard and Jan Mayen;
SK Slovakia|Slovensko; SL Sierra Leone; SM San Marino; SN Senegal; SO Somalia; SR Suriname; SS South Sudan;
ST São Tomé and Príncipe; SV El Salvador; SX Sint Maarten; SY Syria; SZ Eswatini|Swaziland;
TC Turks and Caicos Islands; TD Chad|Tchad; TF French Southern Territories; TG Togo; TH Thailand|ประเทศไทย;
TJ Tajikistan; TK Tokelau; TL Timor-Leste|East Timor; TM Turkmenistan; TN Tunisia|Tunisie; TO Tonga;
TR Turkey|Türkiye; TT Trinidad and Tobago; TV Tuvalu; TW Taiwan|台灣; TZ Tanzania; UA Ukraine|Україна; UG Uganda;
UM United States Minor Outlying Islands;
US United States|United States of America|USA|U.S.|America|Estados Unidos; UY Uruguay; UZ Uzbekistan;
VA Vatican|Vatican City|Holy See; VC Saint Vincent and the Grenadines; VE Venezuela; VG British Virgin Islands;
VI U.S. Virgin Islands; VN Vietnam|Viet Nam; VU Vanuatu; WF Wallis and Futuna; WS Samoa; XK Kosovo; YE Yemen;
YT Mayotte; ZA South Africa; ZM Zambia; ZW Zimbabwe
"""


def fold(text: str) -> str:
    """Without case, accents, and all but letters: how a name is written does not matter."""
    plain = unicodedata.normalize("NFKD", text.replace("&", " and ")).casefold()
    return "".join(letter for letter in plain if letter.isalpha())


def read_table() -> dict[str, str]:
    """Codes by themselves and by their folded names."""
    rows = [row.strip().split(" ", 1) for row in TABLE.split(";")]
    codes = {code.lower(): code for code, _ in rows}
    return codes | {fold(name): code for code, names in rows for name in names.split("|")}


CODES = read_table()


def read_country(text: str) -> str:
    """The code of what somebody wrote; empty where it is neither a code nor a name that is known."""
    return CODES.get(fold(text), "")
