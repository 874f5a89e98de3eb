"The page of the station in a real browser: a shift of two inspectors, a restart, a password; who has none gets nothing"
import base64, sqlite3, urllib.error, urllib.request
from types import SimpleNamespace
import pandas as pd, pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from browser import *
from conftest import PATIENCE, Server, get, journal_of, multipart, tree, wait_for
from hostile import chip, refused_files, saved, taken_files
from semiconductor_cls.station.page import name_of
from semiconductor_cls.source import read_source

def test_names_of_inspectors_in_any_script():
    for who in ('Jürgen Groß','王芳'):
        request = SimpleNamespace(headers={'x-station-user': who.encode().decode('latin-1')})
        assert name_of(request, 'typed')==who

# ---- with a password

def basic(text): return 'Basic '+base64.b64encode(text).decode()
ANN,WRONG = basic(b'ann:secret-words'),basic(b'ann:wrong')
API = 'gradio_api/'
ADDRESSES = ('', 'config', API+'info', API+'upload', API+'queue/join', 'verdicts.csv', API+'file=/etc/passwd',
             'assets/index.js')
FORBIDDEN = (API+'file=/etc/passwd', API+'file={place}/runs/both/run.json', API+'file=../../../etc/passwd',
             API+'file%3D..%2F..%2Fetc%2Fpasswd', 'docs', 'openapi.json', '%2e%2e/%2e%2e/etc/passwd',
             API+'proxy=http://example.com/')
UPLOADED = (b'../../../evil.png', b'..%2f..%2fevil.png', b'/etc/cron.d/evil', b'a\\..\\..\\evil.png', b'\xff\xfe.png',
            b'a'*4000, b'')

@pytest.fixture(scope='module')
def locked(place):
    "A station with a password; when it closes it is quiet and leaves no uploads behind"
    with Server(place, '--user', 'ann:secret-words', '--verdicts', 'locked', run='a') as s:
        yield s
        s.quiet()
    assert not any(o.is_file() for o in (place/'temp').rglob('*'))

def test_nobody_gets_in_without_the_secret_and_nothing_gets_out(place, locked):
    url = locked.url
    for path in ADDRESSES:
        assert get(url+path)[0]==401, path
        assert get(url+path, authorization=WRONG)[0]==401, path
    assert get(url, authorization=ANN)[0]==200
    for path in FORBIDDEN:
        status,body = get(url+path.format(place=place), authorization=ANN)
        assert status>=400 and 'root:' not in body, (path, status)
    assert get(url, authorization=ANN, host='evil.example')[0]==403
    assert get(url+API+'queue/join', b'{}', authorization=ANN, origin='http://evil.example')[0]==403
    before = tree(place)
    kind = 'multipart/form-data; boundary=x'
    for name in UPLOADED:
        status,_ = get(url+API+'upload', multipart(name, b'x'), authorization=ANN, content_type=kind)
        assert status<600 and locked.p.poll() is None, name
    new = set(tree(place))-set(before)
    assert all(o.startswith('temp') for o in new), new
    heads = {'authorization':ANN, 'content-length':'99999999999'}
    huge = urllib.request.Request(url+API+'upload', b'x', heads)
    with pytest.raises(urllib.error.HTTPError, match='413'): urllib.request.urlopen(huge, timeout=PATIENCE)
    assert get(url, authorization=ANN)[0]==200

# ---- in a browser

def look_at_heat(page):
    assert page.evaluate(HEAT+'.naturalWidth')>50
    assert page.locator('#near figure').count()==3
    assert page.inner_text('#decision .word').split()[-1] in ('PASS','REJECT')
    page.keyboard.press('h')
    page.wait_for_function(f'getComputedStyle({HEAT}).opacity=="0"')
    page.keyboard.press('h')

def move_slider(page):
    rates,box = page.inner_text('#rates'),'#slider input[type=number]'
    page.fill(box, '0.99')
    page.press(box, 'Enter')
    page.wait_for_function('r => document.querySelector("#rates").innerText!=r', arg=rates)
    assert '(' not in page.inner_text('#rates') and ' of ' in page.inner_text('#rates')
    page.click('#set') # until then it only shows what it would do
    page.wait_for_function('document.querySelector("#decision .word").innerText.includes("PASS")')
    assert 'Ann moved the threshold' in page.inner_text('#oops')
    page.evaluate('document.activeElement.blur()')

def judge_some(ann, ben):
    "Ann passes, rejects, undoes and passes; Ben wants a second look, which Ann gives; what Ann has judged"
    pick(ann, ann.locator('#queue li').first) # the slider has turned the list about
    first = press(ann, 'ArrowRight')
    assert shown(ann)!=first
    press(ann, 'ArrowLeft')
    assert shown(ann)==first
    one,two = press(ann, 'p'),press(ann, 'r')
    ben.keyboard.press('l') # what he sees was said by the threshold that Ann has moved meanwhile
    ben.wait_for_function('document.querySelector("#oops").innerText.includes("the threshold was moved to 0.99")')
    press(ben, 'l')
    ann.keyboard.press('u')
    on_desk(ann, two)
    press(ann, 'p')
    before = shown(ann)
    assert pick(ann, ann.locator('#queue li').last)!=before
    ann.get_by_label('Second looks').click()
    ann.wait_for_function(ONLY_ONE)
    press(ann, 'r')
    ann.get_by_label('My pictures').click()
    return [one,two]

def drop_hostile(page):
    refused,taken = refused_files(),taken_files()
    bad = {n:refused[n][0] for n in ('x.svg','page.png','cut.png','bomb.bmp')}
    drop(page, packed(bad), '4 refused')
    assert 'not an image of a kind that is read' in page.inner_text('#says')
    good = {n:data for n,data in taken.items() if len(n)<200 and n!='.'} # a browser sends no such names
    assert len(good)==len(taken)-2
    drop(page, packed(good), f'{len(good)} pictures scored')
    many = {f'{i}.png':saved(chip(i)) for i in range(21)}
    drop(page, packed(many), '21 pictures at once, over the limit of 20')
    two = {'big.bmp':refused['big.bmp'][0], 'fine.png':saved(chip(30))}
    drop(page, packed(two), '1 picture scored; 1 refused:\nbig.bmp: 3 MB, over the limit of 2 MB')

def open_folders(page, place):
    page.get_by_text('Open a folder').click()
    (place/'parts/defect/notes.txt').touch()
    n = len(files_of(place, 'defect', 0, None))-1
    for folder,words in (('../runs','outside'), ('defect',f'{n} pictures scored')):
        page.fill(FOLDER, folder)
        page.click('#open')
        says(page, words)
    says(page, "left out: 1 '*.txt'")
    (place/'parts/defect/notes.txt').unlink()

def take_table(page):
    "The table of verdicts, as a browser saves it"
    page.get_by_role('tab', name='Verdicts').click()
    page.wait_for_selector('#log table')
    with page.expect_download() as d: page.get_by_text('Table to train on').click()
    return pd.read_csv(d.value.path())

def test_a_shift_at_the_station(place, chrome):
    state = place/'ben.json'
    with Server(place, '--folders', 'parts', '--role', 'engineer') as s:
        inspectors = [Inspector(chrome, s.url, n) for n in ('Ann','Ben')]
        ann,ben = (o.page for o in inspectors)
        drop(ann, files_of(place, 'good', 0, 3)+files_of(place, 'defect', 0, 2), '5 pictures scored')
        drop(ben, files_of(place, 'good', 10, 12), '2 pictures scored')
        for page in (ann, ben): page.wait_for_selector('#picture img.heat')
        queues = [page.locator('#queue li').count() for page in (ann, ben)]
        assert queues==[5,2], 'each has a queue of their own'
        look_at_heat(ann)
        move_slider(ann)
        judged = judge_some(ann, ben)
        drop_hostile(ann)
        open_folders(ben, place)
        back = take_table(ann)
        assert len(back)==3 and set(back.who)=={'Ann','Ben, Ann'}
        assert back.set_index('sha256').label[judged].tolist()==['good','good']
        ann.get_by_role('tab', name='Drift').click()
        ann.wait_for_selector('#drift .lamp')
        for o in inspectors:
            assert o.problems==[], 'no name became a script'
            assert o.hosts=={s.url.split('/')[2]}, 'nothing comes from elsewhere'
        ben.wait_for_function('document.querySelectorAll("#queue li").length > 1') # the message comes before the list
        left = ben.locator('#queue li').count()
        ben.context.storage_state(path=state)
        ben.close()
        s.quiet()

    assert len(read_source(place/'verdicts/verdicts.csv'))==3
    old = s.port
    with Server(place, '--folders', 'parts') as s:
        assert len(get(s.url+'journal.csv')[1].splitlines())==6, 'a restart keeps every verdict'
        state.write_text(state.read_text().replace(f':{old}', f':{s.port}'))
        page = new_page(chrome, storage_state=state)
        page.goto(s.url)
        page.wait_for_selector('#queue li')
        assert page.locator('#queue li').count()==left, 'and the queue of a desk'
        assert page.input_value(NAME)=='Ben'

@pytest.fixture
def ann(locked, chrome):
    "Her page at the station with a password"
    return signed_in(new_page(chrome), locked.url, 'ann', 'secret-words')

def test_signing_out_closes_the_page_to_the_next_person(locked, ann):
    assert ann.url==locked.url, 'no secret is in the address'
    ann.click('.signout button')
    ann.wait_for_selector('[name=secret]')
    ann.goto(locked.url+'verdicts.csv')
    ann.wait_for_selector('[name=secret]')

def test_a_page_speaks_for_nobody_but_who_has_opened_it(place, chrome):
    "Two tabs of a browser share its session"
    people = ('--user','ann:secret-words','--user','bob:other-words')
    with Server(place, *people, '--verdicts', 'tabs', run='a') as s:
        hers = signed_in(new_page(chrome), s.url, 'ann', 'secret-words')
        drop(hers, files_of(place, 'good', 0, 1), '1 picture scored')
        hers.wait_for_selector('#picture img.plain')
        his = hers.context.new_page()
        his.goto(s.url)
        his.click('.signout button')
        signed_in(his, s.url, 'bob', 'other-words')
        hers.keyboard.press('r')
        hers.wait_for_selector('#warn')
        assert hers.inner_text('#warn').startswith('Somebody else has signed in here. Nothing was saved')
        journal = get(s.url+'journal.csv', authorization=basic(b'bob:other-words'))[1]
        assert len(journal.splitlines())==1, 'a head, and no verdict'
        hers.context.close()
        s.quiet()

def test_a_refusal_of_the_gate_is_said_on_the_page(place, ann):
    def forge(route): route.continue_(post_data=route.request.post_data.replace(str(place/'temp'), '/etc'))
    ann.route('**/queue/join*', forge)
    ann.set_input_files('#drop input[type=file]', files_of(place, 'good', 0, 1))
    told = 'Refused: this request names a file that this browser has not uploaded.'
    ann.wait_for_function(f"document.body.innerText.includes('{told}')")

LARGE = """() => { // two files of 3 MB, and a limit of 5 MB
    Object.defineProperty(File.prototype, 'size', {value: 3e6, configurable: true});
    document.querySelector('meta[name=station-mb]').content = 5;
}"""

def test_a_tray_over_the_limit_is_refused_in_one_line(place, ann):
    "200 files of --max-mb are more than a request may bring, and the station was said not to answer"
    files,sent = files_of(place, 'good', 0, 2),[]
    assert ann.get_attribute('meta[name=station-mb]', 'content')=='1024'
    ann.evaluate(LARGE)
    ann.on('request', lambda o: sent.append(o.url) if '/upload?' in o.url else None)
    ann.set_input_files('#drop input[type=file]', files)
    told = '6 MB at once, over the limit of 5 MB: nothing was taken. Drop fewer at a time, or open a folder'
    ann.wait_for_function(f'document.querySelector("#refused")?.innerText.includes("{told}")')
    assert not sent
    ann.evaluate('delete File.prototype.size')
    drop(ann, files[:1], '1 picture scored') # and the next tray is taken
    ann.click('#refused >> text=Done')

THREE_TRAYS = """trays => trays.forEach(([where, files]) => {
    const dataTransfer = new DataTransfer();
    for (const [name, text] of files)
        dataTransfer.items.add(new File([Uint8Array.from(atob(text), o => o.charCodeAt(0))], name));
    document.querySelector(where).dispatchEvent(new DragEvent('drop', {dataTransfer, bubbles: true, cancelable: true}));
})"""

NAMES = [(f'{i}.png', base64.b64encode(saved(chip(i))).decode()) for i in range(6)]

def test_three_trays_at_once_are_all_taken(place, chrome):
    "Gradio's field took one of them, and a file beside the field was opened by the browser"
    with Server(place, '--verdicts', 'trays', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        page.evaluate(THREE_TRAYS, [['#drop button', NAMES[:2]], ['#picture', NAMES[2:4]], ['#drop', NAMES[4:6]]])
        waits(page, 6)
        s.quiet()

def test_a_tray_that_does_not_arrive_leaves_a_line_and_can_be_dropped_again(place, chrome):
    with Server(place, '--verdicts', 'lost', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        page.route('**/upload?*', lambda route: route.abort())
        page.evaluate(THREE_TRAYS, [['#queue', NAMES[:1]]])
        page.wait_for_function('document.querySelector("#refused").innerText.includes("Not taken: 0.png")')
        page.unroute('**/upload?*')
        page.evaluate(THREE_TRAYS, [['#queue', NAMES[:2]]])
        waits(page, 2)
        s.quiet()

def test_an_inspector_with_a_password(place, locked, ann):
    ann.wait_for_function(f'document.querySelector("{NAME}").value=="ann"')
    drop(ann, files_of(place, 'good', 0, 1), '1 picture scored')
    ann.wait_for_selector('#picture img.heat')
    press(ann, 'p')
    journal = get(locked.url+'journal.csv', authorization=ANN)[1].splitlines()
    assert journal[1].split(',')[1]=='ann'

def lamp_says(page, kind, words):
    page.wait_for_function('k => document.querySelector("#lamp .lamp")?.classList.contains(k)', arg=kind)
    assert words in page.inner_text('#lamp') and page.is_visible('#lamp .lamp')

def test_the_lamp_of_the_line_is_in_the_head_of_the_page(place, chrome):
    with Server(place, '--verdicts', 'lamp', '--window', '30', run='a') as s:
        ann,ben = (Inspector(chrome, s.url, n).page for n in ('Ann','Ben'))
        for page in (ann, ben): lamp_says(page, 'off', 'Not enough pictures yet')
        bring(ben, place, 3)
        for i in (0,20): drop(ann, packed({f'{k}.png':saved(chip(k)) for k in range(i, i+20)}), '20 pictures scored')
        lamp_says(ann, 'bad', 'Changed: ')
        press(ben, 'p')
        answered(ben)
        lamp_says(ben, 'off', 'Not enough') # a verdict does not wait for the lamp
        press(ben, 'ArrowRight')
        lamp_says(ben, 'bad', 'Changed: ') # a step brings it
        ben.reload()
        lamp_says(ben, 'bad', 'Changed: ')
        for width,height in SIZES:
            ben.set_viewport_size(dict(width=width, height=height))
            fits(ben, width)
            assert ben.locator('#lamp').bounding_box()['y']<160, 'in sight without scrolling'
        ben.get_by_role('tab', name='Drift').click()
        ben.wait_for_selector('#drift .lamp')
        assert ben.inner_text('#drift .lamp')==ben.inner_text('#lamp .lamp'), 'the page of drift says the same'
        s.quiet()

def test_times_are_those_of_the_reader(place, chrome):
    "The same moment, as the clock of each browser shows it; summer time is not the rule of the station"
    with Server(place, '--verdicts', 'clock', '--folders', 'parts', run='a') as s:
        page = with_parts(chrome, s, 'Ann', 1)
        press(page, 'p')
        answered(page)
        shown_at = {}
        for zone in ('UTC','Asia/Tokyo','America/St_Johns'):
            page = new_page(chrome, timezone_id=zone, locale='en-GB')
            page.goto(s.url)
            page.wait_for_selector('#queue .note')
            page.get_by_role('tab', name='Verdicts').click()
            page.wait_for_function('document.querySelector("#log time")?.innerText.includes("/")')
            when = page.get_attribute('#log time', 'datetime')
            shown_at[zone] = page.inner_text('#log time')
            want = pd.Timestamp(when).tz_convert(zone).strftime('%d/%m/%Y, %H:%M')
            assert shown_at[zone]==want, (zone, when)
        assert when.endswith('+00:00') and len(set(shown_at.values()))==3
        s.quiet()

# ---- what must not be lost

def judged(s): return len(get(s.url+'journal.csv')[1].splitlines())-1

BEFORE_A_PAINT = """keys => keys.forEach(key =>
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})))"""

def test_keys_that_are_pressed_fast_are_all_taken(place, chrome):
    with Server(place, '--verdicts', 'fast', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        drop(page, files_of(place, 'good', 0, 8), '8 pictures scored')
        page.wait_for_function('document.querySelectorAll("#queue li").length==8')
        order = page.evaluate('[...document.querySelectorAll("#queue li")].map(o => o.dataset.pick)')
        page.evaluate('document.activeElement.blur()')
        for key in ('ArrowRight','ArrowRight','ArrowLeft','ArrowRight','ArrowRight'): page.keyboard.press(key)
        on_desk(page, order[3])
        for n,key in enumerate(('p','r'), 1):
            page.evaluate(BEFORE_A_PAINT, [key]*3) # however slow the machine is
            page.wait_for_function('document.querySelector("#oops").innerText.includes("not counted")')
            page.wait_for_function('stationAnswered()')
            assert judged(s)==n, 'the picture that nobody has seen is not judged'
            page.wait_for_function('n => document.querySelectorAll("#queue li").length==n', arg=8-n)
            assert page.inner_text('#missed').startswith('2 keys'), 'and the page says how many came too early'
        page.click('#reject')
        page.wait_for_function('document.querySelectorAll("#queue li").length==5')
        s.stop()

def test_a_verdict_that_cannot_be_written_is_said_and_its_picture_stays(place, chrome):
    with Server(place, '--verdicts', 'full', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        drop(page, files_of(place, 'good', 0, 2), '2 pictures scored')
        page.wait_for_selector('#picture img.heat')
        before = shown(page)
        other = sqlite3.connect(place/'full/verdicts.db', isolation_level=None)
        other.execute('begin immediate')
        page.keyboard.press('p')
        page.wait_for_function('document.querySelector("#oops").innerText.includes("nothing was saved")')
        assert 'database is locked' in page.inner_text('#oops') and shown(page)==before
        other.execute('rollback')
        other.close()
        press(page, 'p')
        page.wait_for_function('stationAnswered()')
        assert page.inner_text('#oops')=='' and judged(s)==1
        s.quiet()

def test_what_was_refused_is_told_to_a_page_that_is_loaded_again(place, chrome):
    "As soon as the tray has come, and after that"
    with Server(place, '--verdicts', 'told', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        files = {'good.png':saved(chip(1)), 'x.svg':refused_files()['x.svg'][0], 'better.png':saved(chip(2))}
        page.set_input_files('#drop input[type=file]', packed(files))
        wait_for(lambda: any((place/'told').rglob('*.png')), s.p)
        for _ in range(2):
            page.reload()
            page.wait_for_selector('#says')
            says(page, '2 pictures scored; 1 refused:\nx.svg: not an image')
            waits(page, 2)
        s.quiet()

def test_a_station_that_does_not_answer_says_so_on_an_open_page(place, chrome):
    with Server(place, '--verdicts', 'anew', run='a') as s:
        page = Inspector(chrome, s.url, 'Ann').page
        drop(page, files_of(place, 'good', 0, 2), '2 pictures scored')
        page.wait_for_selector('#picture img.heat')
        s.stop()
        page.keyboard.press('p')
        page.wait_for_function('document.body.innerText.includes("does not answer")')

def test_a_network_that_was_gone_brings_the_page_back_by_itself(place, chrome):
    with Server(place, '--verdicts', 'offline', run='a') as s:
        ann = Inspector(chrome, s.url, 'Ann')
        bring(ann.page, place, 2)
        part = shown(ann.page)
        ann.page.context.set_offline(True)
        ann.page.keyboard.press('p')
        ann.page.wait_for_function('document.body.innerText.includes("does not answer")')
        ann.page.context.set_offline(False)
        ann.page.wait_for_function('!document.querySelector("#warn") && window.stationAnswered?.()')
        ann.page.wait_for_selector('#queue li')
        assert ann.problems==[], 'nobody is asked whether to leave'
        assert shown(ann.page)==part and journal_of(s).empty
        press(ann.page, 'p')
        answered(ann.page)
        assert journal_of(s).sha256.tolist()==[part]
        s.quiet()
