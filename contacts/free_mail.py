"""Domains where anybody may have an address: one there says nothing about a company."""

TEXT = """
    126.com 139.com 163.com abv.bg aim.com aol.com att.net bell.net bellsouth.net bigpond.com bluewin.ch
    bol.com.br btinternet.com caiyun.com centrum.cz charter.net comcast.net cox.net daum.net duck.com
    earthlink.net email.cz email.it eircom.net fastmail.com fastmail.fm foxmail.com free.fr freemail.hu
    freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com hotmail.be
    hotmail.ca hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.nl hushmail.com
    icloud.com ig.com.br inbox.com inbox.lv index.hu interia.pl juno.com kakao.com laposte.net libero.it list.ru
    live.be live.ca live.co.uk live.com live.de live.fr live.it live.nl mac.com mail.com mail.de mail.ee mail.ru
    me.com msn.com mweb.co.za nate.com naver.com netzero.net numericable.fr o2.pl online.de online.no onet.pl
    optonline.net orange.fr outlook.at outlook.be outlook.com outlook.com.br outlook.de outlook.es outlook.fr
    outlook.it outlook.jp pm.me poczta.onet.pl posteo.de proton.me protonmail.ch protonmail.com qq.com
    rambler.ru rediffmail.com rocketmail.com rogers.com sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca sina.cn
    sina.com skynet.be sky.com sohu.com sympatico.ca t-online.de talktalk.net telenet.be telus.net terra.com.br
    tiscali.it tuta.com tuta.io tutanota.com uol.com.br verizon.net virgilio.it virginmedia.com wanadoo.fr
    web.de windowslive.com wp.pl xtra.co.nz ya.ru yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com
    yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.de yahoo.es yahoo.fr yahoo.in yahoo.it yandex.com
    yandex.ru yeah.net ymail.com zohomail.com
"""
FREE_MAIL = frozenset(TEXT.split())


def is_free_mail(domain: str) -> bool:
    return domain.strip().lower().rstrip(".") in FREE_MAIL
