"""Short and familiar forms of given names, in Latin letters without accents. Pure.

A line is a name with its forms; two words that share a name can be one person's. A form may stand in several lines.
"""

TEXT = """
    aaron ron ronnie
    abigail abby gail
    abraham abram abe bram
    adriana adri
    agnieszka aga agusia
    albert al bert bertie alberto berto
    alberto beto
    aleksander alexander alexandre alessandro alejandro aleksandr alex al alec lex xander sandro sascha sasha
    aleksander sacha sanya
    aleksander olek ale
    aleksandra alexandra alessandra alejandra alex sandra sandy sasha lexi ola olya
    aleksey aleksei alexey alexei alexis alyosha lyosha lesha alex
    alfred alf fred freddy alfredo alfie
    alice alicia ali
    amanda mandy
    anastasia anastasiya nastya stacy asya
    anatoly anatoliy tolya
    andrew andreas andre andrea andrei andrey andres andrzej andy drew dries
    angela angelika angie
    ann anne anna annie nancy nan anita anja anya ania annika anneke anouk antje
    anthony anton antonio antoine antoni antonis tony toni toon
    antonia toni tonia
    antonina tonya
    arkady arkadiy arkasha
    arnold arne arno
    arthur arturo artur art
    barbara barb barbie babs basia
    bartholomew bart
    bartlomiej bartosz bartek
    beatrice beatriz beatrix bea trixie
    benedikt benedict ben
    benjamin ben benny benji
    bernard bernhard bernardo bernie bernd
    boris borya
    bradley brad
    bronislaw bronek
    calvin cal
    carlos carlitos charly
    carmen mari
    caroline carolina carol carrie karolina karoline caro
    catherine katherine kathryn catharina katharina ekaterina caterina catalina kate katie kathy cathy kat
    catherine kitty kitti kit
    catherine katja katya trina cat ina kati catrin kathrin karin
    charles charlie chuck chas chip carl karl carlos carlo
    charlotte lotte lottie charlie
    christian chris krystian kris
    christine christina christiane kristina kristin cristina chris chrissy tina stina
    christopher christoph christophe cristobal kristof chris topher kit krzysztof krzys stoffel
    clara klara
    claudia claudine
    clemens clement klemens
    concepcion concha conchita
    constance connie konstanze
    consuelo chelo
    cornelia conny corrie nele
    cornelis cornelius kees cor neil
    cynthia cindy
    daniel dan danny danilo dani
    danuta danka
    david dave davey davide
    deborah debra deb debbie
    dennis denis denny
    denise niesje
    diana di dia
    dieter didi
    dimitri dmitri dmitry dmitriy dima mitya dimitrios dimitris mimis
    dolores lola
    dominic dominik domenico dom mimmo nico
    donald don donnie
    dorothy dorothea dot dottie thea dora
    douglas doug
    eduardo edward eduard edoardo ed eddie ted teddy ned edek edu
    edmund ed ned
    eleanor eleonora ellie nora nell
    elena helena helene helen ellen lena lenka yelena nelly lenochka ela
    elisabeth elizabeth elizaveta isabel elisabetta elise elsa els liz lizzie beth betty betsy eliza lisa
    elisabeth lisbeth bettina
    elisabeth liza elzbieta ela bep liesbeth liesel sissi betje
    emanuel emmanuel manuel manu manny
    emily emilia emilie em emmy mila
    eric erik erich rick
    ernest ernst ernesto ernie
    eugene evgeny evgeniy yevgeny eugenio gene zhenya
    evgenia evgeniya eugenia zhenya genie
    eva eve ewa evi ewka
    felicity felicitas flick
    fernando nando fer
    ferdinand ferdi nando
    florence florentina flo flora
    francis francisco frances francesco francois franz franciszek frans frank paco pancho kiko curro franek
    francis fran frankie
    francesca frances francisca franziska francoise fran franny fanny franzi paqui
    franklin frank
    frederic frederick friedrich federico fryderyk fred freddy fritz rico frederik freek rik fede
    gabriel gabe gabi gabo
    gabriela gabriella gabriele gabi gaby
    galina galya
    gennady gennadiy gena
    geoffrey jeffrey jeff geoff
    george georg georges jorge giorgio jerzy georgios georgi jurek joris schorsch coque gino
    gerald gerard gerhard gerardo gerry jerry gerd gert
    gertrud gertrude trudi trudy gerti
    gianluca luca
    giovanni gianni vanni nino
    giuseppe beppe peppe pino
    giuseppina pina giusy
    gloria glo
    grace graciela gracie chela
    gregory gregor gregorio grzegorz grigory grigoriy greg grzesiek grisha goyo
    gretchen margarete grete
    guadalupe lupe lupita
    guillermo william wilhelm guglielmo guille memo willem wim willi willy will bill billy liam
    gustavo gustav gus tavo
    hannah hanna johanna hanne
    harold harald harry hal
    heinrich henry henri enrico enrique henryk hendrik henk heinz harry hank henning heiner quique rik hein
    henrietta henriette jet jetta hetty
    herbert bert herb
    hermann herman manni
    hildegard hilde
    hubert bert hub huub
    ignacio nacho ignacy ignatius
    igor gosha
    ines agnes inez nines
    inmaculada inma
    irena irina irene ira irka
    isabel isabella isabelle bella izzy belle isa izabela iza
    ivan vanya johannes
    jacek jacenty
    jacob jakob jake jakub kuba jacques jaap coby
    jacqueline jackie jacky
    jadwiga jadzia
    james jim jimmy jamie jaime giacomo
    jan janek johan janusz
    jane janet janice joan johanna giovanna juana joanna jennifer joanne asia jo hanna
    jessica jess jessie
    jennifer jen jenny jenna
    zhanna janna jeanne
    jeremy jeremiah jerry jem
    jesus chuy chus suso
    joachim joaquin joaquim achim jochen quino
    johann johannes john johan hans jan hannes juan joao jean giovanni ivan jack johnny jon jannis juanito
    johann ioannis yannis giannis
    jonathan jon nathan jonny john
    jose josef joseph jozef giuseppe josip iosif joe joey pepe pep jo sepp jos joep beppe ze zezinho chepe yusuf josep
    josefa josephine josefina pepa pepita jo fina josie
    joshua josh
    judith judy judi jutta
    julia juliana julie giulia jule yulia yuliya jules julka
    julian julio julius jules
    karen caren
    kazimierz kazik
    kenneth ken kenny
    kimberly kim kimmy
    konrad conrad kurt
    konstantin constantin costantino kostas konstantinos kostya costas
    krystyna krysia
    laura lauren lori laurie lauri
    lawrence laurence laurent lorenzo lars larry lorenz laurens laurie lou
    leo leon leonard leonardo leonid leonhard lenny len lyonya
    leszek lech
    lieselotte lilo lotte
    lillian lili lilly liliana lily
    linda belinda lindy
    lorena lore
    louis ludwig luis luigi lodewijk lou louie lewis ludek luiz gigi
    louise luise luisa lou lulu lucha ludwika
    lucas lukas luca luke lukasz luc
    lucia lucy luzia lucie lucyna lusia
    ludmila lyudmila luda lyuda mila
    magdalena madeleine magda lena leni maddalena madalena gosia maddie
    malgorzata gosia goska
    manfred fred mani manni
    marcel celle
    marcos marcus markus marco marc mark marek
    margaret margarita margarete margherita margit marguerite meg peggy maggie madge greta grete gretel rita
    margaret margot marge
    margaret daisy gretchen margriet margarida griet
    maria marie mary mariya marija masha mia mitzi molly polly mariska marijke marika maryla marysia maja mari
    mariusz mario
    martha marta martina tina
    martin marty maarten marcin marten martino tinus
    matilda mathilde tilda tilly
    matthew matthias matteo mateo mateusz matthijs mathieu mateus matt matty mathias thijs hias mats matti
    maurice mauricio moritz maurizio mauro moe
    maximilian maximiliano maksymilian maxim maksim massimiliano max maks
    maxim maksim max
    maximo massimo
    mercedes merche meche
    michael mikhail michel michele miguel michal mikael mike mick mickey mikey misha michi michiel micha mischa
    michael mikolaj
    michelle michaela micaela shelly michi
    miroslaw mirek miro
    monica monika moni
    natalia natalie nathalie nataliya natasha nat tasha nati
    nathaniel nathan nate nat
    nicholas nicolas nikolaus nicola nikolai nikolay nicolaas nikolaos nick nico niko klaus claus kolya nicky
    nicholas niek nikos niklas
    nicole nikki nicoletta nicky
    olga olya olia
    oliver ollie olivier oli
    olivia liv livia ollie
    oscar oskar
    pamela pam
    pablo paul paolo pavel pawel paulo pauly pol pasha  pal
    patricia patrizia patrycja pat patty tricia trish patsy pati
    patrick patrik patrizio patricio pat paddy
    paula pauline paulina paola
    pedro peter pierre pietro piotr pyotr petr pete petros petya piet pieter piotrek perico petrus peer
    penelope penny
    philip philipp philippe felipe filippo filip phil flip pip
    pilar pili
    rachel raquel rae
    rafael raphael raffaele rafal rafa raf
    raimund raymond raimondo ramon ray moncho
    randall randolph randy
    rebecca rebekka becky becca
    regina gina reina
    reinhard reinhold reiner rainer
    renata renate reni
    ricardo richard riccardo ryszard rick ricky dick rich richie rico rysiek riki
    robert roberto rob bob bobby robbie bert robin robi beto
    rodrigo rodri roderick rod ruy
    roger rogelio ruggero rodger
    roland rolf orlando
    roman romek roma
    ronald ron ronnie ronaldo
    rosa rose rosalia rosie rosario rosalie chayo rosita roza
    rosemarie rosemary rosi romy rosie
    rudolf rodolfo rudolph rudi rudy rolf fito
    salvador salvatore salva toto chava sal
    samantha sam sammy
    samuel sam sammy samuele
    sandra alexandra sandy
    santiago diego jaime tiago yago santi
    sara sarah sally sadie zara
    sebastian sebastiano sebastien basti seb wastl sebas bas
    sergio sergey sergei serge sergiy seryozha serhiy
    sharon shari
    silvester sylvester sylwester
    silvia sylvia sylvie sylwia
    simon simone szymon semyon si
    simone moni
    sofia sophia sophie zofia sofie sofi zosia sonja sonya sophy
    solomon sol
    stanislaw stanislav staszek stas stan
    stella estella estelle
    stephanie stefanie stefania estefania steffi steph stef
    stephen steven stefan stephan etienne esteban stefano stefanos stepan steve stevie stef steffen szczepan
    susan susanne susanna suzanne zuzanna susana sue susi susie suzy sanne
    svetlana sveta lana
    tamara toma tammy
    tatiana tatyana tanya tania tanja
    teresa theresa therese terezia terry tess tessa resi tere
    theodor theodore teodoro fedor fyodor ted teddy theo teo
    thomas tomas tommaso tomasz tom tommy tomek maso
    timothy timoteo timofey tim timmy tima
    tobias toby tobi
    ulrich uli ulli ueli
    ulrike ulla uli rike
    ursula ulla uschi ursel urszula ula
    valentin valentino valentyn val valya
    valentina valya vale
    valeria valerie valeriya lera val
    vasily vasiliy vasilis basil basilio vasya
    veronica veronika veronique ronnie vera roni nika
    victor viktor vittorio wiktor vic vitya
    victoria viktoria vittoria viktoriya wiktoria vicky vika tori
    vincent vincenzo vicente vinzenz vince vinnie enzo
    vinicius vini
    violet violetta viola
    virginia ginny gina
    vitaly vitaliy vitalik
    vladimir wladimir vova volodya wlodzimierz vlad wlodek volodymyr
    vladislav wladyslaw vlad slava wladek
    vyacheslav viacheslav slava
    waldemar waldek
    walter walt wally gualterio walther wolter
    wendy gwendolyn gwen
    wieslaw wiesiek
    wilhelmina wilma mina minnie willemijn
    wojciech wojtek
    wolfgang wolf wolfi
    xavier javier javi xavi saverio xaver
    yekaterina ekaterina katya
    yuri yury iurii yuriy yura jurij georgy
    zachary zacharias zach zack zak
    zbigniew zbyszek
    zdzislaw zdzisiek
    abdul abdullah abdel
    mohammed muhammad mohamed mohammad mehmet mo md
    ahmed ahmad ahmet
    ali aly
    hussein husain hussain huseyin
    ibrahim abraham ebrahim ibo
    joseph yusuf youssef yousef
    mustafa mostafa mus
    omar umar omer
    fatima fatma fatemeh
    aishwarya aish
    rajesh raj raju
    rajendra raj rajan
    sanjay sanju
    vijay viju
    suresh suri
    venkatesh venkat venky
    krishnamurthy krishna kris
    lakshmi laxmi
    priyanka priya
    siddharth sid siddhartha
    abhishek abhi
    aditya adi
    vikram vik vicky
"""


def read_groups() -> dict[str, frozenset[str]]:
    """Each word with the names, the first words of lines, whose form it is. Lines that begin alike are one."""
    found: dict[str, list[str]] = {}
    for line in TEXT.strip().splitlines():
        name, *forms = line.split()
        for word in (name, *forms):
            found.setdefault(word, []).append(name)
    return {word: frozenset(names) for word, names in found.items()}


NAMES_OF = read_groups()
# One name for each word, to look it up by: of a form of several names, the first in the alphabet.
ROOTS = {word: min(names) for word, names in NAMES_OF.items()}
