"The inspection station: in a real browser, at the hands of hostile files and visitors, across a restart"
import base64, hashlib, io, os, shutil, struct, sys, urllib.error, urllib.request
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image
pytest.importorskip('gradio'); pytest.importorskip('pytorch_grad_cam')
from conftest import Server, free_port, get, multipart, tree
from semiconductor_cls.station.station import *
from semiconductor_cls.station.tray import *
from semiconductor_cls.station.desk import *
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.source import read_source
from semiconductor_cls.station.verdicts import *

CHROME = next(filter(None, map(shutil.which, ('chromium','chromium-browser','google-chrome'))), None)

@pytest.fixture(scope='module', autouse=True)
def one_thread():
    "Pictures of 32 pixels are not worth two threads, which on a busy machine wait for each other"
    import torch
    n = torch.get_num_threads(); torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)

def chip(seed=0, size=(66,60), mode='L'):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, size[::-1], np.uint8)).convert(mode)

def data(im, fmt='png', **kw): im.save(b := io.BytesIO(), fmt, **kw); return b.getvalue()

def hostile():
    bomb = b'BM' + struct.pack('<IHHI', 54, 0, 0, 54) + struct.pack('<IiiHHIIiiII', 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0)
    exif = Image.Exif(); exif[274] = 6
    refused = {'cut.png': (data(chip())[:-60], 'cannot be decoded'), 'bomb.bmp': (bomb, 'pixels'), 'x.svg': (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 'not a PNG'),
        'page.png': (b'<html><script>alert(1)</script>', 'not a PNG'), 'one.png': (data(chip().crop((0,0,1,1))), '1 x 1 pixels'), 'empty.png': (b'', 'zero bytes'),
        'film.png': (data(chip(), 'png', save_all=True, append_images=[chip(1), chip(2)]), '3 pictures'), 'film.gif': (data(chip(), 'gif', save_all=True, append_images=[chip(1)]), 'not a PNG'),
        'big.bmp': (b'BM'+bytes(3_000_000), 'over the limit of 2 MB'), 'zip.png': (b'PK\3\4'+bytes(50), 'not a PNG')}
    taken = {'deep.png': data(Image.fromarray(np.arange(60*66, dtype=np.uint16).reshape(60,66)*16)), 'cmyk.jpg': data(chip(mode='RGB').convert('CMYK'), 'jpeg'),
        'turned.jpg': data(chip(3), 'jpeg', exif=exif), 'named.exe': data(chip(4)), '../../../../../../tmp/evil.png': data(chip(5)), 'new\nline"\'<img src=x onerror=alert(1)>.png': data(chip(6)),
        '=cmd().png': data(chip(7)), 'C:\\windows\\x.png': data(chip(8)), '.': data(chip(9)), 'n'*300+'.png': data(chip(10)), 'alpha.png': data(chip(mode='RGB').convert('RGBA'))}
    return refused,taken

def test_hostile_files_are_answered_and_stay_inside(place, tmp_path):
    st = Station(place/'runs/both', tmp_path/'v', max_mb=2)
    refused,taken = hostile()
    hs,bad = take_in(st, 'd', [(b, n) for n,b in taken.items()] + [(b, n) for n,(b,_) in refused.items()])
    assert len(hs)==len(taken) and len(bad)==len(refused)
    why = dict(bad)
    for n,(_,w) in refused.items(): assert w in why[n], (n, why[n])
    assert {p.parts[0] for p in map(Path, tree(tmp_path))}=={'v'}
    for p in (tmp_path/'v/store').rglob('*.*'): assert HASH.fullmatch(p.stem) and p.suffix in ('.png','.jpg','.bmp','.tif')
    q = waiting(st.v, st.model, 'd', .5)
    assert not any(c in n for n in q.name for c in '/\n\\') and q.name.str.len().max()<=80
    html = ''.join(desk_view(st, new_desk() | dict(hash=h), 'd', .5)[i] for h in hs for i in (1,4))
    assert '<img src=x' not in html and '&lt;img src=x' in html
    assert pictures_of(st, hs[2])['size']==(60,66), 'a camera that was turned is turned back'
    for h in ('../../etc/passwd', "' or 1=1 --", 'a'*64, None, 5): assert find_seen(st, h) is None

opened,watching = [],[]
sys.addaudithook(lambda event, args: opened.append(args) if event=='open' and watching else None)

def test_what_is_hostile_to_predict_is_answered_here_too(place, tmp_path):
    "Every folder that `predict` is tried with: opened from the browser, and each file of it dropped"
    import test_predict as hard
    (tmp_path/'lots').mkdir()
    st,n = Station(place/'runs/both', tmp_path/'v', folders=[tmp_path/'lots'], max_mb=2),0
    for name,(make,*_) in hard.CASES.items():
        d = tmp_path/'lots'/name
        for o in ('in','secret'): (d/o).mkdir(parents=True)
        (d/'secret/s.png').write_bytes(hard.png()); make(d)
        st.roots,before = [d/'in'],tree(d)
        opened.clear(); watching.append(1)
        try:
            try: files,_ = files_below(st, d/'in')
            except UserError as e: assert 'no images in this folder' in str(e); files = []
            files = [(p, p.name) for p in files]
            files += [(p.read_bytes(), p.name) for p in sorted((d/'in').rglob('*')) if p.is_file() and not p.is_symlink() and p.stat().st_size<10e6]
            hs,bad = take_in(st, 'd', files)
        finally: watching.clear()
        assert len(hs)+len(bad)==len(files) and all(w for _,w in bad), name
        assert tree(d)==before and not any('/secret/' in os.path.abspath(os.fsdecode(p)) for p,*_ in opened if isinstance(p, (str,bytes,os.PathLike))), name
        n += len(files)
    assert len(hard.CASES)>=50 and n>=100

def test_scores_are_those_of_predict_and_committees_serve(place, tmp_path):
    for n in ('m0','both'):
        st = Station(place/'runs'/n, tmp_path/n)
        want = read_csv(place/'runs'/n/'preds_test.csv').head(12)
        take_in(st, 'd', [(p, i) for p,i in zip(want.path, want.id)])
        got = st.v.read('select name, score from seen').set_index('name').score
        assert np.abs(got[want.id].to_numpy()-want.p_defect.to_numpy()).max()<1e-5
    assert (place/'runs/both/station.npz').exists()

def test_rates_are_those_of_evaluate(place, tmp_path):
    st = Station(place/'runs/both', tmp_path/'v')
    p = read_csv(place/'runs/both/preds_valid.csv')
    for t in (0, .2, st.threshold, .8, 1):
        esc,over = ((p.label=='defect') & (p.p_defect<t)).sum(), ((p.label=='good') & (p.p_defect>=t)).sum()
        assert rates_at(st, t).escapes['valid'].count(f'({esc} of') and rates_at(st, t).overkill['valid'].count(f'({over} of')

def test_verdicts_come_back_as_training_data(place, tmp_path):
    st = Station(place/'runs/both', tmp_path/'v')
    hs,_ = take_in(st, 'd', [(data(chip(i)), f'{i}.png') for i in range(4)])
    s = new_desk()
    for v in ('pass','reject','look','pass'):
        s = desk_view(st, s, 'd', .5)[0]
        s = judge(st, s, 'd', '=Ann, "A"', .5, s['hash'], v)
    df = read_source(export_verdicts(st.v))
    assert sorted(df.label.fillna('none'))==['defect','good','good','none'] and all(hashlib.sha256(Path(p).read_bytes()).hexdigest()==h for p,h in zip(df.path, df.sha256))
    assert set(df.who)=={'=Ann, "A"'}

@pytest.mark.parametrize('args,want', [(['--host','0.0.0.0'], '--token'), (['--host','0.0.0.0','--token','short'], '12 characters'), (['--user','ann'], 'NAME:PASSWORD'),
    (['--folders','nowhere'], 'no such folder'), (['--window','3'], 'at least 30')])
def test_refusals_are_one_line(place, tmp_path, args, want, monkeypatch):
    from typer.testing import CliRunner
    from semiconductor_cls.cli import app
    monkeypatch.chdir(tmp_path)
    e = CliRunner().invoke(app, ['serve', str(place/'runs/both'), '--port', str(free_port()), '--no-browser', *args]).exception
    assert isinstance(e, UserError) and want in str(e), e

@pytest.fixture(scope='module')
def locked(place):
    "A station with a password; when it closes it is quiet and leaves no uploads behind"
    with Server(place, '--user', 'ann:secret-words', '--verdicts', 'locked', run='m0') as s:
        yield s
        out = s.stop()
    assert 'Traceback' not in out, out
    assert not any(o.is_file() for o in (place/'temp').rglob('*'))

ANN = 'Basic '+base64.b64encode(b'ann:secret-words').decode()

def test_nobody_gets_in_without_the_secret_and_nothing_gets_out(place, locked):
    s,ann = locked,ANN
    for path in ('', 'config', 'gradio_api/info', 'gradio_api/upload', 'gradio_api/queue/join', 'verdicts.csv', 'gradio_api/file=/etc/passwd', 'assets/index.js'):
        assert get(s.url+path)[0]==401, path
        assert get(s.url+path, authorization='Basic '+base64.b64encode(b'ann:wrong').decode())[0]==401
    assert get(s.url, authorization=ann)[0]==200
    for path in ('gradio_api/file=/etc/passwd', f'gradio_api/file={place}/runs/both/run.json', 'gradio_api/file=../../../etc/passwd', 'gradio_api/file%3D..%2F..%2Fetc%2Fpasswd', 'docs', 'openapi.json', '%2e%2e/%2e%2e/etc/passwd',
                 'gradio_api/proxy=http://example.com/'):
        status,body = get(s.url+path, authorization=ann)
        assert status>=400 and 'root:' not in body, (path, status)
    assert get(s.url, authorization=ann, host='evil.example')[0]==403
    assert get(s.url+'gradio_api/queue/join', b'{}', authorization=ann, origin='http://evil.example')[0]==403
    before = tree(place)
    for name in (b'../../../evil.png', b'..%2f..%2fevil.png', b'/etc/cron.d/evil', b'a\\..\\..\\evil.png', b'\xff\xfe.png', b'a'*4000, b''):
        status,body = get(s.url+'gradio_api/upload', multipart(name, b'x'), authorization=ann, content_type='multipart/form-data; boundary=x')
        assert status<600 and s.p.poll() is None
    new = set(tree(place))-set(before)
    assert all(o.startswith('temp') for o in new), new
    huge = urllib.request.Request(s.url+'gradio_api/upload', b'x', dict(authorization=ann, **{'content-length': '99999999999'}))
    with pytest.raises(urllib.error.HTTPError, match='413'): urllib.request.urlopen(huge, timeout=20)
    assert get(s.url, authorization=ann)[0]==200

@pytest.fixture(scope='module')
def chrome():
    if not CHROME: pytest.skip('no chromium on this machine: apt-get install chromium')
    sync = pytest.importorskip('playwright.sync_api').sync_playwright
    with sync() as p:
        b = p.chromium.launch(executable_path=CHROME, args=['--no-sandbox'])
        yield b
        b.close()

NAME = '#who input, #who textarea'

def open_page(chrome, url, name, **kw):
    "A browser of its own at the station, with a name typed in"
    pg = chrome.new_context(viewport=dict(width=1440, height=900), **kw).new_page()
    pg.problems,pg.hosts = [],set()
    pg.on('dialog', lambda d: (pg.problems.append(d.message), d.dismiss())); pg.on('pageerror', lambda e: pg.problems.append(str(e)))
    pg.on('request', lambda r: pg.hosts.add(r.url.split('/')[2]) if r.url.startswith('http') else None)
    pg.goto(url); pg.wait_for_selector(NAME)
    pg.wait_for_selector('#queue .note')
    pg.fill(NAME, name); pg.press(NAME, 'Enter')
    return pg

def drop(pg, files, want):
    pg.set_input_files('#drop input[type=file]', files)
    pg.wait_for_function('w => document.querySelector("#says").innerText.includes(w)', arg=want)

def shown(pg): return pg.evaluate('stationShown()')

def press(pg, key):
    h = shown(pg)
    pg.keyboard.press(key)
    pg.wait_for_function('h => stationShown()!=h', arg=h)
    return h

def files_of(place, cls, a, b): return [str(p) for p in sorted((place/'parts'/cls).iterdir())[a:b]]

def test_a_shift_at_the_station(place, chrome):
    place_v = place/'verdicts'
    with Server(place, '--folders', 'parts') as s:
        a,b = open_page(chrome, s.url, 'Ann'),open_page(chrome, s.url, 'Ben')
        drop(a, files_of(place, 'good', 0, 3)+files_of(place, 'defect', 0, 2), '5 pictures scored')
        drop(b, files_of(place, 'good', 10, 12), '2 pictures scored')
        for pg in (a,b): pg.wait_for_selector('#picture img.heat')
        assert a.locator('#queue li').count()==5 and b.locator('#queue li').count()==2, 'each has a queue of their own'
        assert a.evaluate('document.querySelector("#picture img.heat").naturalWidth')>50 and a.locator('#near figure').count()==3
        assert a.inner_text('#decision .word').split()[-1] in ('PASS','REJECT')

        a.keyboard.press('h'); a.wait_for_function('getComputedStyle(document.querySelector("#picture img.heat")).opacity=="0"'); a.keyboard.press('h')
        rates = a.inner_text('#rates')
        a.fill('#slider input[type=number]', '0.99'); a.press('#slider input[type=number]', 'Enter')
        a.wait_for_function('r => document.querySelector("#rates").innerText!=r', arg=rates)
        assert '(' not in a.inner_text('#rates') and ' of ' in a.inner_text('#rates')
        a.wait_for_function('document.querySelector("#decision .word").innerText.includes("PASS")')
        a.evaluate('document.activeElement.blur()')

        h = a.locator('#queue li').first.get_attribute('data-pick') # the slider has turned the list about
        a.locator('#queue li').first.click(); a.wait_for_function('h => stationShown()==h && document.querySelector("#queue li.here").dataset.pick==h', arg=h)
        first = press(a, 'ArrowRight'); assert shown(a)!=first; press(a, 'ArrowLeft'); assert shown(a)==first
        one = press(a, 'p'); two = press(a, 'r'); press(b, 'l')
        a.keyboard.press('u'); a.wait_for_function('h => stationShown()==h', arg=two)
        press(a, 'p')
        last = a.locator('#queue li').last
        h = last.get_attribute('data-pick'); assert h!=shown(a)
        last.click(); a.wait_for_function('h => stationShown()==h && document.querySelector("#queue li.here").dataset.pick==h', arg=h)
        a.get_by_label('Second looks').click()
        a.wait_for_function('document.querySelectorAll("#queue li").length==1 && document.querySelector("#queue li").dataset.pick==stationShown()')
        press(a, 'r')
        a.get_by_label('My pictures').click()

        refused,taken = hostile()
        pack = lambda d: [dict(name=n, mimeType='image/png', buffer=v) for n,v in d.items()]
        drop(a, pack({n:v for n,(v,_) in refused.items() if n in ('x.svg','page.png','cut.png','bomb.bmp')}), '4 refused')
        assert 'not a PNG, JPEG, BMP or TIFF image' in a.inner_text('#says')
        drop(a, pack({n:v for n,v in taken.items() if len(n)<200 and n!='.'}), f'{len(taken)-2} pictures scored')
        drop(a, pack({f'{i}.png': data(chip(i)) for i in range(21)}), '21 pictures at once, over the limit of 20')
        drop(a, pack({'big.bmp': refused['big.bmp'][0], 'fine.png': data(chip(30))}), '1 picture scored; 1 refused:\nbig.bmp: 3 MB, over the limit of 2 MB')

        b.get_by_text('Open a folder').click(); b.fill('label:has-text("Folder in it") input, label:has-text("Folder in it") textarea', '../runs')
        b.click('#open'); b.wait_for_function('document.querySelector("#says").innerText.includes("outside")')
        b.fill('label:has-text("Folder in it") input, label:has-text("Folder in it") textarea', 'defect')
        b.click('#open'); b.wait_for_function('document.querySelector("#says").innerText.includes("30 pictures scored")')

        a.get_by_role('tab', name='Verdicts').click(); a.wait_for_selector('#log table')
        with a.expect_download() as d: a.get_by_text('Table to train on').click()
        back = pd.read_csv(d.value.path())
        assert len(back)==3 and set(back.who)=={'Ann','Ben, Ann'} and back.set_index('sha256').label[[one,two]].tolist()==['good','good']
        a.get_by_role('tab', name='Drift').click(); a.wait_for_selector('#drift .lamp')
        assert a.problems==b.problems==[] and a.hosts==b.hosts=={s.url.split('/')[2]}, 'nothing comes from elsewhere, and no name became a script'
        b.wait_for_function('document.querySelectorAll("#queue li").length > 1') # the message comes before the list
        left = b.locator('#queue li').count()
        b.context.storage_state(path=place/'ben.json'); b.close()
        out = s.stop()
    assert 'Traceback' not in out, out

    port_of_old = s.port
    assert len(read_source(place_v/'verdicts.csv'))==3
    with Server(place, '--folders', 'parts') as s:
        assert len(get(s.url+'journal.csv')[1].splitlines())==6, 'a restart keeps every verdict'
        state = (place/'ben.json').read_text().replace(f':{port_of_old}', f':{s.port}'); (place/'ben.json').write_text(state)
        pg = chrome.new_context(storage_state=place/'ben.json').new_page()
        pg.goto(s.url); pg.wait_for_selector('#queue li')
        assert pg.locator('#queue li').count()==left and pg.input_value(NAME)=='Ben', 'and the queue of a desk'

def test_a_refusal_of_the_gate_is_said_on_the_page(place, locked, chrome):
    pg = chrome.new_context(http_credentials=dict(username='ann', password='secret-words')).new_page()
    pg.goto(locked.url); pg.wait_for_selector('#queue .note')
    pg.route('**/queue/join*', lambda r: r.continue_(post_data=r.request.post_data.replace(str(place/'temp'), '/etc')))
    pg.set_input_files('#drop input[type=file]', files_of(place, 'good', 0, 1))
    pg.wait_for_function("document.body.innerText.includes('Refused: this request names a file that this browser has not uploaded.')")

def test_an_inspector_with_a_password(place, locked, chrome):
    pg = chrome.new_context(http_credentials=dict(username='ann', password='secret-words')).new_page()
    pg.goto(locked.url); pg.wait_for_selector('#queue .note')
    pg.wait_for_function(f'document.querySelector("{NAME}").value=="ann"')
    drop(pg, files_of(place, 'good', 0, 1), '1 picture scored'); pg.wait_for_selector('#picture img.heat')
    press(pg, 'p')
    assert get(locked.url+'journal.csv', authorization=ANN)[1].splitlines()[1].split(',')[1]=='ann'
