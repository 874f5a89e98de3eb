"The door of the station: every event of the page and every input of it, named files that are not the visitor's"
import json, os, socket, threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
import pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
import httpx
from starlette.testclient import TestClient
from conftest import PATIENCE, Server, free_port, tree, wait_for
from semiconductor_cls.station.station import Station
from semiconductor_cls.station.page import GRADIO, _prompt, make_app
from semiconductor_cls.station.gate import JOIN, UPLOAD

TOKEN,ANN = 'a-long-token',('ann','secret-words')
LOGINS = dict(open=((), None), users=(('--user',':'.join(ANN)), ANN), token=(('--token',TOKEN), None))
HERS = b'what Ann has dropped'

# ---- the attack

def file_of(path, **more): return dict(path=path, meta={'_type':'gradio.FileData'}, **more)

def forms(path):
    "The ways in which a request can name a file"
    f = file_of(path)
    return [f, [f], [[f, f]], dict(desk='', who=f), dict(path=path), dict(url=path),
            file_of(path, url=path, orig_name='a.png'), {**f, 'is_stream':True}]

def at(n, i, f): return dict(data=[f if k==i else None for k in range(n)])
def beside(n, f): return dict(data=[None]*n, event_data=f)
def behind(n, f): return dict(data=[None]*n+[f])

def places(config):
    "Every (event, input) of the page, and what comes with an event beside its inputs"
    for event in config['dependencies']:
        n = len(event['inputs'])
        for i in range(n): yield event, partial(at, n, i)
        yield event, partial(beside, n)
        yield event, partial(behind, n)

def join(visitor, event, body, session='abc'):
    return visitor.post(JOIN, json=dict(body, fn_index=event['id'], trigger_id=None, session_hash=session))

def upload(visitor, name, data):
    r = visitor.post(UPLOAD, files={'files':(name, data, 'image/png')})
    assert r.status_code==200, r.text
    return r.json()[0]

def outcome(visitor, session):
    "What the events of a session ended in: whether each succeeded"
    done = []
    with visitor.stream('GET', f'/gradio_api/queue/data?session_hash={session}') as r:
        for line in r.iter_lines():
            if not line.startswith('data: '): continue
            message = json.loads(line.removeprefix('data: '))
            if message.get('msg')=='process_completed': done.append(message['success'])
            if message.get('msg')=='close_stream': break
    return done

def drop_zone(config):
    "The event that takes what is dropped on the page"
    box = next(o['id'] for o in config['components'] if o['type']=='file')
    return next(o for o in config['dependencies'] if o['inputs']==[box])

def takes(visitor, zone, path, session):
    "Whether the drop zone takes this file, or the status of its refusal"
    r = join(visitor, zone, dict(data=[[file_of(path)]]), session)
    return outcome(visitor, session)==[True] if r.status_code==200 else r.status_code

def foreign(place, v, up:Path, hers:str):
    "Files that are not the visitor's, by every kind of name; a link in the upload folder is made for it"
    secret,link = place/'secret.txt',up/'link.png'
    secret.write_text('nobody is to read this')
    if not link.is_symlink(): link.symlink_to(secret)
    return ['/etc/passwd', '/proc/self/cmdline', str(v/'verdicts.db'), hers, str(link), 'http://127.0.0.1:9/a.png',
            'file:///etc/passwd', str(secret), 'secret.txt', f'{up}/../../secret.txt', '/etc/../etc/passwd',
            '/%65tc/passwd', hers.upper(), hers+'\0', '', str(up), str(place/'not yet there.png'),
            f'{up}/not-there/../../../secret.txt']

def attack(visitor, place, v, temp, hers):
    "Every file and every form in every place: all refused, and nothing new lies in the upload folder"
    config,up = visitor.get('/config').json(),Path(hers).parent.parent
    names,n = foreign(place, v, up, hers),0
    def there(): return tree(temp), sorted(os.listdir(place)), tree(v)
    before = there()
    for k,(event,body) in enumerate(places(config)):
        # every name in every place, every form in every place, and in the end each name in each form
        shapes = [forms(p)[(k+i)%8] for i,p in enumerate(names)] + forms(names[k%len(names)])
        for f in shapes:
            r = join(visitor, event, body(f))
            assert r.status_code==403 and 'has not uploaded' in r.text, (event['id'], f, r.text)
        n += len(shapes)
    assert there()==before, 'nothing was copied, linked or deleted, in the upload folder or beside what was named'
    for path in [*names[:8], *(str(temp/o) for o in before[0])]:
        for way in ('file=', 'file/', 'proxy=', 'stream/'):
            assert visitor.get('/gradio_api/'+way+path).status_code in (400,404), path
    assert len(config['dependencies'])>=25 and n>=2000
    return config

# ---- servers

def visitor_of(url, login):
    return httpx.Client(base_url=url, auth=login, trust_env=False, timeout=PATIENCE, follow_redirects=True)

@pytest.mark.parametrize('kind', LOGINS)
def test_no_event_of_the_page_takes_a_file_that_its_visitor_has_not_uploaded(place, kind):
    args,login = LOGINS[kind]
    v,temp = place/f'door-{kind}',place/'temp'
    with Server(place, '--verdicts', v.name, '--folders', 'parts', *args, run='a') as s:
        ann,eve,bare = (visitor_of(s.url, login) for _ in range(3))
        for o in (ann, eve): o.get('/', params=dict(token=TOKEN) if kind=='token' else None)
        hers = upload(ann, 'hers.png', HERS)
        zone = drop_zone(attack(eve, place, v, temp, hers))
        assert takes(ann, zone, hers, 'ann') is True, 'she may name it herself'
        assert takes(eve, zone, hers, 'eve')==403
        assert upload(eve, 'hers.png', HERS)==hers, 'equal pictures are one file'
        assert takes(eve, zone, hers, 'eve') is True, 'and now it is also hers'
        # no cookie, so no session; not even a token's
        assert takes(bare, zone, hers, 'x')==(401 if kind=='token' else 403)
        for o in (ann, eve, bare): o.close()
        s.quiet()

ENCODINGS = ('utf-8','utf-16','utf-32-be','utf-8-sig')
KINDS = ('application/json', 'text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', '')
ODD_BODIES = (b'', b'{', b'[]', b'7', b'null', b'"x"', b'\xff'*9, b'['*50_000, b'{"a":'*50_000, b'9'*10_000,
              b' '*8_100_000, b'{"data":[%s0]}' % (b'[],'*1_300_000), b'{"fn_index":1e999,"data":[]}',
              b'{"fn_index":"\\ud800","data":[]}', b'{"data":{"a":NaN}}', b'{}', b'{"data":[]}',
              b'{"fn_index":true,"data":[],"session_hash":"t"}', b'{"fn_index":0,"data":{},"session_hash":"t"}',
              b'{"fn_index":0,"data":[],"session_hash":["t"]}', b'{"fn_index":0,"data":[],"session_hash":"t/../u"}',
              b'{"fn_index":-1,"data":[],"session_hash":"t"}', b'{"fn_index":10000,"data":[],"session_hash":"t"}')
OTHER_PATHS = ('/gradio_api/run/predict', '/gradio_api/call/x', '/gradio_api/component_server',
               '/gradio_api/process_recording', '/gradio_api/vibe-edit', JOIN+'/', '/gradio_api//queue/join')
COOKIES = {'prefs':'{"theme":"dark","n":1}', 'a[b]':'1', 'q':'a"b c', 'user@x':''} # of a neighbour: ports share them
TWO_LENGTHS = ('POST {} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\n'
               '0\r\n\r\n')

def test_texts_that_could_be_read_in_two_ways(place):
    with Server(place, '--verdicts', 'door-text', run='a') as s, visitor_of(s.url, None) as c:
        c.get('/')
        mine = upload(c, 'a.png', b'mine')
        zone = drop_zone(c.get('/config').json())
        def raw(body, kind='application/json'): return c.post(JOIN, content=body, headers={'content-type':kind})
        text = json.dumps(dict(fn_index=zone['id'], session_hash='t', data=[[file_of('/etc/passwd')]]))
        for enc in ENCODINGS:
            for kind in KINDS: assert raw(text.encode(enc), kind).status_code==403, (enc, kind)
        assert raw(text.replace('"path"', '"p\\u0061th"').encode()).status_code==403
        twice = text.replace('"meta"', f'"path": {json.dumps(mine)}, "meta"')
        assert raw(twice.encode()).status_code==200
        assert outcome(c, 't')==[True], 'the last of two is what both see'
        held = [o.read_bytes() for o in (place/'temp').rglob('*') if o.is_file()]
        assert held and not any(b'root:' in o for o in held), 'which is the own file'
        for body in ODD_BODIES: assert 400<=raw(body).status_code<500, body[:9]
        for how in ('PUT','DELETE','PATCH','OPTIONS','TRACE','CONNECT'):
            body = None if how=='CONNECT' else b'{}' # after CONNECT a body would be read as the next request
            assert c.request(how, JOIN, content=body).status_code==404, how
        for path in OTHER_PATHS:
            r = c.post(path, content=text.encode(), headers={'content-type':'application/json'})
            assert r.status_code==404, path
        for name,value in COOKIES.items(): c.cookies.set(name, value)
        assert takes(c, zone, mine, 'neighbour') is True
        with socket.create_connection(('127.0.0.1', s.port)) as k:
            k.sendall(TWO_LENGTHS.format(UPLOAD, s.port).encode())
            assert k.recv(99).split()[1] in (b'400', b'411')
        s.quiet()

# ---- each of the two checks alone

@pytest.fixture
def parts_of(place, tmp_path):
    "The station without a server: gate, page, and where uploads lie"
    temp = tmp_path/'temp'
    temp.mkdir()
    gate = make_app(Station(place/'runs/a', tmp_path/'v', [place/'parts']), temp=temp)
    return gate, gate.app.routes[-1].app.get_blocks(), temp

def test_the_gate_needs_no_check_of_the_library(place, parts_of, tmp_path):
    gate,page,temp = parts_of
    page.has_launched = False # so Gradio checks nothing
    with TestClient(gate) as ann, TestClient(gate) as eve:
        hers = upload(ann, 'hers.png', HERS)
        attack(eve, place, tmp_path/'v', temp, hers)

@pytest.mark.parametrize('launched', [True,False])
def test_the_check_of_the_library_needs_no_gate(place, parts_of, tmp_path, launched):
    "And without either the attack succeeds, so what is tested here is no straw man"
    gate,page,temp = parts_of
    page.has_launched = launched and page.has_launched
    with TestClient(gate.app) as c:
        mine = upload(c, 'mine.png', b'mine')
        config,up = c.get('/config').json(),Path(mine).parent.parent
        names = foreign(place, tmp_path/'v', up, mine)
        before = tree(temp)
        for k,(event,body) in enumerate(places(config)):
            if not event['backend_fn']: continue
            for i in (0,1,2,4): join(c, event, body(file_of(names[i])), f's{k}')
            assert len(outcome(c, f's{k}'))==4
        assert (tree(temp)==before)==launched, set(tree(temp))-set(before)
        assert takes(c, drop_zone(config), mine, 'mine') is True

def test_the_gradio_that_the_station_asks_for_is_the_one_of_the_settings():
    text = (Path(__file__).parent.parent/'settings.ini').read_text(encoding='utf-8')
    assert f'gradio{GRADIO} ' in text

# ---- what an upload may cost

@pytest.fixture
def door(place, tmp_path):
    "A gate before the real page, which takes files of up to 2 MB, and the folder of uploads"
    temp = tmp_path/'temp'
    temp.mkdir()
    return make_app(Station(place/'runs/a', tmp_path/'v', max_mb=1), temp=temp),temp

def part(name, data): return f'--x\r\nContent-Disposition: form-data; {name}\r\n\r\n'.encode()+data+b'\r\n'
FILE,FORM,END = 'name="files"; filename="a.png"','multipart/form-data; boundary=x',b'--x--\r\n'

def post(visitor, *parts, end=END, kind=FORM):
    return visitor.post(UPLOAD, content=b''.join(parts)+end, headers={'content-type':kind}).status_code

BAD_UPLOADS = dict(
    field=([part('name="files"', b'0'*5_000_000)], 400), other=([part('name="x"; filename="a.png"', b'0')], 400),
    large=([part(FILE, b'0'*2_000_001)], 413), many=([part(FILE, b'')]*1001, 413),
    twice=([part(FILE+'\r\nContent-Disposition: form-data; name="files"', b'0')], 400),
    no_name=([part('x', b'0')], 400), after_good=([part(FILE, b'0'*9), part('name="files"', b'0'*9)], 400))

@pytest.mark.parametrize('what', BAD_UPLOADS)
def test_an_upload_that_does_not_fit_is_refused_and_leaves_nothing(door, what):
    gate,temp = door
    parts,status = BAD_UPLOADS[what]
    with TestClient(gate) as c:
        assert post(c, *parts)==status
        assert not [o for o in temp.rglob('*') if o.is_file()]
        assert post(c, part(FILE, b'0'*2_000_000))==200, 'the next one is taken'

GRADIO_OWN = 'vibe_edit_history' # A folder that Gradio makes at its first start in a process, empty
HALVES = [(FORM,b''), (FORM,b'--x'), ('multipart/form-data',END), ('text/plain',END), ('',END)]

@pytest.mark.parametrize('kind,end', HALVES)
def test_half_an_upload_leaves_nothing(door, kind, end):
    gate,temp = door
    with TestClient(gate) as c: assert post(c, part(FILE, b'0'*9), end=end, kind=kind)==400
    assert {o.name for o in temp.rglob('*')} <= {GRADIO_OWN}

def test_a_form_field_is_not_held_in_memory(place):
    "A field of 100 MB is refused before the first megabytes of it are in"
    with Server(place, '--verdicts', 'field', run='a') as s, socket.create_connection(('127.0.0.1', s.port)) as k:
        head = f'POST {UPLOAD} HTTP/1.1|host: 127.0.0.1:{s.port}|content-type: {FORM}|content-length: 100000000||'
        k.sendall(head.replace('|', '\r\n').encode()+part('name="files"', b'')[:-2])
        assert k.recv(99).split()[1]==b'400', 'the answer comes while the field is still to come'

@pytest.mark.slow
def test_a_flood_of_empty_parts_costs_nobody_else_an_upload(door):
    gate,_ = door
    with TestClient(gate) as ann, TestClient(gate) as eve:
        hers = upload(ann, 'hers.png', HERS)
        for k in range(101):
            eve.cookies.clear() # a browser of its own each time
            names = [part(f'name="files"; filename="{k}-{i}.png"', b'') for i in range(1000)]
            assert post(eve, *names)==200
        assert takes(ann, drop_zone(ann.get('/config').json()), hers, 'ann') is True

def test_uploads_go_when_their_page_is_closed(place):
    with Server(place, '--verdicts', 'closed', run='a') as s:
        c,ben = (visitor_of(s.url, None) for _ in range(2))
        c.get('/')
        with c.stream('GET', '/gradio_api/heartbeat/abc'):
            mine,same = upload(c, 'mine.png', b'mine'),upload(c, 'same.png', b'the same')
            assert upload(ben, 'same.png', b'the same')==same
            assert Path(mine).exists()
        wait_for(lambda: not Path(mine).exists(), s.p)
        assert Path(same).exists(), 'somebody else has dropped that one as well'

# ---- what a connection may cost

async def here(scope, receive, send):
    if scope['type']!='http': return
    await send({'type':'http.response.start', 'status':200, 'headers':[(b'content-length', b'4')]})
    await send({'type':'http.response.body', 'body':b'here'})

@contextmanager
def serving(http, seconds):
    "The port of a server that waits some seconds for the head of a request"
    import uvicorn
    config = uvicorn.Config(here, port=free_port(), http=http, timeout_keep_alive=seconds, log_level='critical')
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started: thread.join(.05)
    try: yield config.port
    finally:
        server.should_exit = True
        thread.join()

@pytest.fixture
def port():
    with serving(_prompt(), 1) as p: yield p

WHOLE = b'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
SENT = dict(nothing=b'', half=WHOLE[:-2], second_half=WHOLE+WHOLE[:-2], body=WHOLE[:-2]+b'content-length: 9\r\n\r\n0',
            endless=WHOLE[:-2]+b'x: '+b'0'*9_000_000)

@pytest.mark.parametrize('what', SENT)
def test_a_connection_that_does_not_say_what_it_wants_is_closed(port, what):
    with socket.create_connection(('127.0.0.1', port), timeout=PATIENCE) as k:
        try:
            k.sendall(SENT[what])
            while k.recv(999): pass
        except ConnectionError: pass # closed while it was sending
    with socket.create_connection(('127.0.0.1', port), timeout=PATIENCE) as k:
        for piece in (WHOLE[:5], WHOLE[5:], WHOLE):
            k.sendall(piece)
        heard = b''
        while heard.count(b'here')<2:
            more = k.recv(999)
            assert more, heard # else it is closed
            heard += more

def said_from(address, port):
    "A new connection from an address, and what it is told"
    k,told = socket.create_connection(('127.0.0.1', port), timeout=PATIENCE, source_address=(address,0)),b''
    try:
        k.sendall(WHOLE)
        while not told.endswith(b'here') and (more := k.recv(999)): told += more
    except ConnectionError: pass # it was closed
    return k, told[-4:]

@pytest.mark.parametrize('proxy,many', [('',4), ('10.0.0.1,192.168.0.0/16',4), ('127.0.0.2',9), ('127.0.0.0/24',9)])
def test_one_address_holds_so_many_connections(proxy, many):
    "A stranger's were as many as the process may open files, and then no verdict could be written"
    with serving(_prompt(proxy, most=4), PATIENCE) as port:
        held = [said_from('127.0.0.2', port) for _ in range(9)]
        assert [told for _,told in held]==[b'here']*many+[b'']*(9-many)
        one,told = said_from('127.0.0.3', port)
        assert told==b'here', 'others come in'
        for k,_ in held: k.close()
        k,told = said_from('127.0.0.2', port)
        while not told: # the server has not seen yet that the others are gone
            k.close()
            k,told = said_from('127.0.0.2', port)
        for o in (one, k): o.close()

FORGED = {'x-forwarded-host':'evil.example', 'x-forwarded-proto':'gopher', 'forwarded':'host=evil.example',
          'x-original-url':'/evil.example', 'x-forwarded-server':'evil.example', 'x-forwarded-prefix':'/evil.example'}

def test_what_a_visitor_says_about_the_host_is_not_on_the_page(door):
    with TestClient(door[0]) as c:
        for path in ('/','/config'):
            text = c.get(path, headers=FORGED).text
            assert 'evil.example' not in text and 'gopher' not in text

def test_a_page_opens_whatever_the_browser_has_kept(door):
    with TestClient(door[0]) as c:
        begins = next(o for o in c.get('/config').json()['dependencies'] if o['targets'][0][1]=='load')
        for n,kept in enumerate(('ann', ['ann'], None, dict(desk=['x'], who=dict(a=1)))):
            assert join(c, begins, dict(data=[kept]), f's{n}').status_code==200
            assert outcome(c, f's{n}')==[True], kept

def test_refused_requests_are_written_down(place):
    with Server(place, '--verdicts', 'noted', run='a') as s, visitor_of(s.url, None) as c:
        zone = drop_zone(c.get('/config').json())
        assert takes(c, zone, '/etc/passwd', 's')==403
        assert c.get('/gradio_api/file=/etc/passwd?key=hidden').status_code==404
        assert c.post(UPLOAD, content=b'', headers={'content-type':'text/plain'}).status_code==400
        s.stop()
    noted = (place/'noted/refused.log').read_text()
    for words in (f'POST {JOIN}: 403 this request names a file', 'GET /gradio_api/file=/etc/passwd: 404',
                  f'POST {UPLOAD}: 400 this request is no upload'): assert words in noted
    assert 'hidden' not in noted
