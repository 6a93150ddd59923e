"""Words that stand around names, companies and domains without telling them apart. Latin letters, no accents."""

from contacts.normalisation import LEGAL_FORMS


def read_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = read_words("""
    dr mr mrs ms miss mx prof professor sir madam herr frau mme mlle monsieur madame dipl ing mag sig sigra signor
    signora dott dottssa avv sr sra srta don dona sn dhr mevr mevrouw drs pan pani shri smt rev hon capt eng arq lic
""")
SUFFIXES = read_words("jr junior sr senior ii iii iv phd md mba esq cpa msc bsc dds")
PARTICLES = read_words("""
    van von der den de del della di da do dos das du des la le les lo los las el al bin ibn ben bint abu ter ten
    te zu zum zur vom und af av
""")
# Legal forms: those of contacts.normalisation, and more that only count at the end of a company's name.
ENDINGS = LEGAL_FORMS | read_words("""
    ae aps bhd bvba cia coop cz dba doo ead eireli ek ep epe esp ev eood gbr ge gesmbh hf group groep gruppe groupe
    grupo holding holdings international intl iks ike inh int kgaa kabushiki kaisha kommandit lda lp mbh me mei oe oeg
    ohg ood ooo oao pao zao ip pjsc pc pllc private ptyltd public pvtltd sae sab saa sapi scrl sdn se sia sicav sk snc
    soc spol spzoo spj spk sti tic tbk tov ua uab vof zrt nyrt zhushihuishe yugenhuishe youxiangongsi zhushihoesa
""")
# What joins the names of two owners, or opens the name.
BETWEEN = read_words("and und et y e i en og och kai the of de")
# Under these the registered name is the third label of a domain from its end.
SECOND_LEVELS = read_words("co com org net ac gov edu or ne gen ltd plc nom firm")
# Domains so common that one like them is a typing error of theirs.
COMMON_DOMAINS = read_words("""
    gmail.com yahoo.com hotmail.com outlook.com icloud.com aol.com live.com msn.com comcast.net gmx.de gmx.net web.de
    t-online.de orange.fr wanadoo.fr libero.it hotmail.fr yahoo.fr yandex.ru mail.ru protonmail.com proton.me
    googlemail.com uol.com.br rediffmail.com yahoo.co.uk hotmail.co.uk yahoo.co.in btinternet.com
""")
# How a sound is spelt in the languages of our contacts, in the order in which spellings are replaced.
SOUNDS_TEXT = """
    shch=s sch=s tsch=s tch=s sh=s sz=s zh=s zs=s kh=k ch=k cz=k ts=k tz=k ck=k q=k c=k ph=f ks=x th=t ae=a oe=o
    ue=u ou=u oy=u j=i y=i ii=i ia=a ie=e io=o iu=u w=v z=s h=
"""
SOUNDS = [tuple(pair.split("=")) for pair in SOUNDS_TEXT.split()]
DOUBLED = [letter * 2 for letter in "abdefgiklmnoprstuvx"]
