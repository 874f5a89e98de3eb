"The door of the station: every event of the page and every input of it, named files that are not the visitor's"
import json, os, socket
from pathlib import Path
import pytest
pytest.importorskip('gradio'); pytest.importorskip('pytorch_grad_cam')
import httpx
from starlette.testclient import TestClient
from conftest import Server, tree
from semiconductor_cls.station.station import Station
from semiconductor_cls.station.page import GRADIO, make_app
from semiconductor_cls.station.gate import JOIN, UPLOAD

LOGINS = dict(open=((), None), users=(('--user','ann:secret-words'), ('ann','secret-words')), token=(('--token','a-long-token'), None))

def file_of(path, **more): return dict(path=path, meta={'_type':'gradio.FileData'}, **more)

def forms(path):
    "The ways in which a request can name a file"
    f = file_of(path)
    return [f, [f], [[f, f]], dict(desk='', who=f), dict(path=path), dict(url=path), file_of(path, url=path, orig_name='a.png'), {**f, 'is_stream':True}]

def places(config):
    "Every (event, input) of the page, and what comes with an event beside its inputs"
    for o in config['dependencies']:
        n = len(o['inputs'])
        for i in range(n): yield o, lambda f, i=i, n=n: dict(data=[f if k==i else None for k in range(n)])
        yield o, lambda f, n=n: dict(data=[None]*n, event_data=f)
        yield o, lambda f, n=n: dict(data=[None]*n+[f])

def join(visitor, o, body, session='abc'): return visitor.post(JOIN, json=dict(body, fn_index=o['id'], trigger_id=None, session_hash=session))

def upload(visitor, name, b):
    r = visitor.post(UPLOAD, files={'files':(name, b, 'image/png')})
    assert r.status_code==200, r.text
    return r.json()[0]

def outcome(visitor, session):
    "What the events of a session ended in: whether each succeeded"
    done = []
    with visitor.stream('GET', f'/gradio_api/queue/data?session_hash={session}') as r:
        for line in r.iter_lines():
            m = json.loads(line.removeprefix('data: ')) if line.startswith('data: ') else {}
            if m.get('msg')=='process_completed': done.append(m['success'])
            if m.get('msg')=='close_stream': break
    return done

def drop_zone(config):
    "The event that takes what is dropped on the page"
    box = next(o['id'] for o in config['components'] if o['type']=='file')
    return next(o for o in config['dependencies'] if o['inputs']==[box])

def foreign(place, v, up:Path, hers:str):
    "Files that are not the visitor's, by every kind of name; a link in the upload folder is made for it"
    secret = place/'secret.txt'
    secret.write_text('nobody is to read this')
    link = up/'link.png'
    if not link.is_symlink(): link.symlink_to(secret)
    return ['/etc/passwd', '/proc/self/cmdline', str(v/'verdicts.db'), hers, str(link), 'http://127.0.0.1:9/a.png', 'file:///etc/passwd',
            str(secret), 'secret.txt', f'{up}/../../secret.txt', '/etc/../etc/passwd', '/%65tc/passwd', hers.upper(), hers+'\0', '', str(up),
            str(place/'not yet there.png'), f'{up}/not-there/../../../secret.txt']

def attack(visitor, place, v, temp, hers):
    "Every file and every form in every place: all refused, and nothing new lies in the upload folder"
    config = visitor.get('/config').json()
    up = Path(hers).parent.parent
    names,n = foreign(place, v, up, hers),0
    def there(): return tree(temp), sorted(os.listdir(place)), tree(v)
    before = there()
    for k,(o,body) in enumerate(places(config)):
        shapes = [forms(p)[(k+i)%8] for i,p in enumerate(names)] + forms(names[k%len(names)])
        for f in shapes: # every name in every place, every form in every place, and in the end each name in each form
            r = join(visitor, o, body(f))
            assert (r.status_code, 'has not uploaded' in r.text)==(403, True), (o['id'], f, r.text)
        n += len(shapes)
    assert there()==before, 'nothing was copied, linked or deleted, in the upload folder or beside what was named'
    for path in [*names[:8], *(str(temp/o) for o in before[0])]:
        for way in ('file=', 'file/', 'proxy=', 'stream/'): assert visitor.get('/gradio_api/'+way+path).status_code in (400,404), path
    assert len(config['dependencies'])>=25 and n>=2000
    return config

def visitor_of(url, login): return httpx.Client(base_url=url, auth=login, trust_env=False, timeout=20, follow_redirects=True)

@pytest.mark.parametrize('kind', LOGINS)
def test_no_event_of_the_page_takes_a_file_that_its_visitor_has_not_uploaded(place, kind):
    args,login = LOGINS[kind]
    v,temp = place/f'door-{kind}',place/'temp'
    with Server(place, '--verdicts', v.name, '--folders', 'parts', *args, run='m0') as s, visitor_of(s.url, login) as ann, visitor_of(s.url, login) as eve:
        for o in (ann, eve): o.get('/', params=dict(token='a-long-token') if kind=='token' else None)
        hers = upload(ann, 'hers.png', b'what Ann has dropped')
        config = attack(eve, place, v, temp, hers)
        zone = drop_zone(config)
        assert join(ann, zone, dict(data=[[file_of(hers)]]), 'ann').status_code==200 and outcome(ann, 'ann')==[True], 'she may name it herself'
        assert join(eve, zone, dict(data=[[file_of(hers)]]), 'eve').status_code==403
        assert upload(eve, 'hers.png', b'what Ann has dropped')==hers, 'equal pictures are one file'
        assert join(eve, zone, dict(data=[[file_of(hers)]]), 'eve').status_code==200 and outcome(eve, 'eve')==[True], 'and now it is also hers'
        with visitor_of(s.url, login) as bare: # no cookie, so no session; not even a token's
            assert bare.post(JOIN, json=dict(data=[[file_of(hers)]], fn_index=zone['id'], session_hash='x')).status_code==(401 if kind=='token' else 403)
        out = s.stop()
    assert 'Traceback' not in out, out

def test_texts_that_could_be_read_in_two_ways(place):
    with Server(place, '--verdicts', 'door-text', run='m0') as s, visitor_of(s.url, None) as c:
        c.get('/')
        mine = upload(c, 'a.png', b'mine')
        zone = drop_zone(c.get('/config').json())['id']
        def raw(b, kind='application/json'): return c.post(JOIN, content=b, headers={'content-type':kind})
        text = '{"fn_index": %d, "session_hash": "t", "data": [[{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]]}' % zone
        for enc in ('utf-8', 'utf-16', 'utf-32-be', 'utf-8-sig'):
            for kind in ('application/json', 'text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', ''):
                assert raw(text.encode(enc), kind).status_code==403, (enc, kind)
        assert raw(text.replace('"path"', '"p\\u0061th"').encode()).status_code==403
        twice = text.replace('"meta"', f'"path": {json.dumps(mine)}, "meta"')
        assert raw(twice.encode()).status_code==200 and outcome(c, 't')==[True], 'the last of two is what both see'
        assert not any(b'root:' in o.read_bytes() for o in (place/'temp').rglob('*') if o.is_file()), 'which is the own file'
        for b in (b'', b'{', b'[]', b'7', b'null', b'"x"', b'\xff'*9, b'['*50_000, b'{"a":'*50_000, b'9'*10_000, b' '*8_100_000, b'{"data":[%s0]}' % (b'[],'*1_300_000),
                  b'{"fn_index":1e999,"data":[]}', b'{"fn_index":"\\ud800","data":[]}', b'{"data":{"a":NaN}}'): assert 400<=raw(b).status_code<500, b[:9]
        for how in ('PUT','DELETE','PATCH','OPTIONS','TRACE','CONNECT'): assert c.request(how, JOIN, content=b'{}').status_code==404
        for path in ('/gradio_api/run/predict', '/gradio_api/call/x', '/gradio_api/component_server', '/gradio_api/process_recording', '/gradio_api/vibe-edit', JOIN+'/', '/gradio_api//queue/join'):
            assert c.post(path, content=text.encode(), headers={'content-type':'application/json'}).status_code==404, path
        for name,value in (('prefs','{"theme":"dark","n":1}'), ('a[b]','1'), ('q','a"b c'), ('user@x','')): c.cookies.set(name, value) # of a neighbour: ports share them
        assert join(c, dict(id=zone), dict(data=[[file_of(mine)]]), 'neighbour').status_code==200 and outcome(c, 'neighbour')==[True]
        with socket.create_connection(('127.0.0.1', s.port)) as k: # two lengths at once
            k.sendall(b'POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n' % (UPLOAD.encode(), s.port))
            assert k.recv(99).split()[1] in (b'400', b'411')
        out = s.stop()
    assert 'Traceback' not in out, out

@pytest.fixture
def parts_of(place, tmp_path):
    "The station without a server: gate, page, and where uploads lie"
    temp = tmp_path/'temp'
    temp.mkdir()
    gate = make_app(Station(place/'runs/m0', tmp_path/'v', [place/'parts']), temp=temp)
    return gate, gate.app.routes[-1].app.get_blocks(), temp

def test_the_gate_needs_no_check_of_the_library(place, parts_of, tmp_path):
    gate,page,temp = parts_of
    page.has_launched = False # so Gradio checks nothing
    with TestClient(gate) as ann, TestClient(gate) as eve:
        hers = upload(ann, 'hers.png', b'what Ann has dropped')
        attack(eve, place, tmp_path/'v', temp, hers)

@pytest.mark.parametrize('launched', [True,False])
def test_the_check_of_the_library_needs_no_gate(place, parts_of, tmp_path, launched):
    "And without either the attack succeeds, so what is tested here is no straw man"
    gate,page,temp = parts_of
    page.has_launched = launched and page.has_launched
    with TestClient(gate.app) as c:
        mine = upload(c, 'mine.png', b'mine')
        config,names = c.get('/config').json(),foreign(place, tmp_path/'v', Path(mine).parent.parent, mine)
        before = tree(temp)
        for k,(o,body) in enumerate(places(config)):
            if not o['backend_fn']: continue
            for path in (names[0], names[1], names[2], names[4]): join(c, o, body(file_of(path)), f's{k}')
            done = outcome(c, f's{k}')
            assert len(done)==4
        assert (tree(temp)==before)==launched, set(tree(temp))-set(before)
        assert join(c, drop_zone(config), dict(data=[[file_of(mine)]]), 'mine').status_code==200 and outcome(c, 'mine')==[True]

def test_the_gradio_that_the_station_asks_for_is_the_one_of_the_settings():
    text = (Path(__file__).parent.parent/'settings.ini').read_text(encoding='utf-8')
    assert f'gradio{GRADIO} ' in text
