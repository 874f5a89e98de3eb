"Who may come in: guesses cost time and are written down, sessions end, and no secret is left lying about"
import os, re, shutil, signal, subprocess, sys, termios, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from conftest import MAIN, PATIENCE, Server, free_port, wait_for
from warm import Command
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.station.gate import Gate, LOGIN, LOGOUT
from semiconductor_cls.station.login import Attempts, station_log
from semiconductor_cls.station.page import check_proxy
from semiconductor_cls.station.passwords import hash_password

CHEAP,WORDS,TOKEN = (2**14,8,1),'secret-words','a-long-token'

page = Starlette(routes=[Mount('/', PlainTextResponse('in'))]) # stands for the page of the station

@pytest.fixture
def written(tmp_path):
    "What the gate writes down"
    station_log(tmp_path)
    yield lambda: ''.join((tmp_path/f'{o}.log').read_text() for o in ('station','refused'))
    station_log().handlers.clear()

@pytest.fixture(scope='module')
def people(): return {o:hash_password(WORDS, CHEAP) for o in ('ann','ben')}

@pytest.mark.parametrize('name', ['station.log','refused.log'])
@pytest.mark.parametrize('make', [Path.symlink_to, Path.hardlink_to, lambda o,_: os.mkfifo(o), lambda o,_: o.mkdir()])
def test_the_log_is_not_written_through_what_somebody_put_there(tmp_path, make, name):
    theirs = tmp_path/'theirs'
    theirs.write_text('theirs')
    make(tmp_path/name, theirs)
    with pytest.raises(UserError, match=f'{name}: is a link or no plain file.*remove it'): station_log(tmp_path)
    assert theirs.read_text()=='theirs'

def gate_of(people, **kw):
    gate = Gate(page, users=people, **kw)
    gate.attempts = Attempts(first=0)
    return gate

def visitor(gate, address='10.0.0.7', **kw):
    return TestClient(gate, base_url='http://station', client=(address,9), follow_redirects=False, **kw)

def sign_in(c, name, secret, **kw): return c.post(LOGIN, data=dict(name=name, secret=secret), **kw).status_code

# ---- guessing

WAYS = {'form': lambda c,i: sign_in(c, 'ann', f'guess {i}'),
        'header': lambda c,i: c.get('/', auth=('ann', f'guess {i}')).status_code,
        'many names': lambda c,i: sign_in(c, f'name {i}', f'guess {i}'),
        'forged address': lambda c,i: sign_in(c, 'ann', f'guess {i}', headers={'x-forwarded-for':f'10.1.1.{i%250}',
                                              'forwarded':f'for=10.1.1.{i%250}', 'x-real-ip':f'10.1.1.{i%250}'})}

@pytest.mark.parametrize('way', WAYS)
def test_a_thousand_guesses_of_one_address_are_locked_out_and_written_down(people, written, way):
    gate = gate_of(people)
    with visitor(gate) as c:
        got = [WAYS[way](c, i) for i in range(1000)]
        assert got==[401]*10+[429]*990
        assert sign_in(c, 'ann', WORDS)==429, 'and the right one is not looked at'
    with visitor(gate, '10.0.0.8') as c: assert sign_in(c, 'ann', WORDS)==303, 'others are not locked out'
    lines = written().splitlines()
    assert sum('10.0.0.7' in o and 'wrong secret' in o for o in lines)==10
    assert sum('10.0.0.7' in o and 'locked out' in o for o in lines)==991
    assert 'guess' not in written() and WORDS not in written() and 'name 1' not in written()

def test_guesses_at_the_token_are_counted_whichever_way_they_come(written):
    gate = Gate(page, token=TOKEN)
    gate.attempts = Attempts(first=0)
    with visitor(gate) as c:
        got = [c.get('/', params=dict(token=f'x{i}')).status_code for i in range(6)]
        got += [sign_in(c, '', f'x{i}') for i in range(6)]
    assert got==[401]*10+[429]*2

AN_IMAGE = {'sec-fetch-site':'cross-site', 'sec-fetch-mode':'no-cors', 'sec-fetch-dest':'image'}

@pytest.mark.parametrize('says', [{}, AN_IMAGE])
def test_a_foreign_page_locks_nobody_out(says):
    "It once could: with pictures whose address was `/?token=wrong`, which a browser asks for without an Origin"
    gate = Gate(page, token=TOKEN)
    gate.attempts = Attempts(first=0)
    agent = {'user-agent':'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0'}
    with visitor(gate) as c:
        got = [c.get('/', params=dict(token='x'), headers=agent | says).status_code for _ in range(1000)]
        assert 200 not in got and 303 not in got
        assert sign_in(c, '', TOKEN, headers=agent)==303
    with visitor(gate) as c: # the line controller of the same machine
        assert c.get('/', headers={'authorization':f'Bearer {TOKEN}'}).status_code==200
        assert [sign_in(c, '', 'guess', headers=agent) for _ in range(11)]==[401]*10+[429], 'what is typed is counted'

def test_many_guesses_at_once_count_like_many_in_a_row(people):
    with visitor(gate_of(people)) as c, ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda i: sign_in(c, 'ann', f'guess {i}'), range(40)))
    assert sorted(got)==[401]*10+[429]*30

def test_an_own_password_forgives_no_guesses(people):
    with visitor(gate_of(people)) as c:
        for i in range(9): assert sign_in(c, 'ben', f'guess {i}')==401
        assert sign_in(c, 'ann', WORDS)==303
        assert [sign_in(c, 'ben', 'guess'), sign_in(c, 'ben', 'guess')]==[401,429]
        assert c.get('/').status_code==200, 'who is in stays in'

def test_only_a_proxy_that_was_named_may_say_who_a_visitor_is(people):
    trusted = check_proxy(['10.0.0.1'])['forwarded_allow_ips']
    gate = ProxyHeadersMiddleware(gate_of(people), trusted_hosts=trusted)
    def guess(peer, says):
        with visitor(gate, peer) as c: return sign_in(c, 'ann', 'guess', headers={'x-forwarded-for':says})
    assert [guess('10.0.0.1', '10.2.0.1') for _ in range(11)][-1]==429
    assert guess('10.0.0.1', '10.2.0.2')==401, 'another visitor behind the proxy'
    assert guess('10.0.0.1', '9.9.9.9, 10.2.0.1')==429, 'what the visitor has put in front does not count'
    assert [guess('10.0.0.9', f'10.3.0.{i}') for i in range(11)][-1]==429, 'no proxy, so its words do not count'

# ---- sessions

def test_a_session_is_random_ends_and_says_nothing_about_the_secret(people):
    gate,numbers = gate_of(people),set()
    for _ in range(3):
        with visitor(gate) as c:
            assert sign_in(c, 'ann', WORDS)==303
            numbers.add(c.cookies[gate.cookie])
            copy = dict(c.cookies)
            assert c.post(LOGOUT).status_code==303 and gate.cookie not in c.cookies
            for cookies in (copy, {}):
                with visitor(gate, cookies=cookies) as thief: assert thief.get('/').status_code==401
    assert len(numbers)==3 and len(gate.sessions.open)==0

def test_signing_in_anew_ends_the_session_before(people):
    gate = gate_of(people)
    with visitor(gate) as c:
        sign_in(c, 'ann', WORDS)
        before = c.cookies[gate.cookie]
        sign_in(c, 'ben', WORDS)
    assert gate.sessions.who(before) is None and len(gate.sessions.open)==1

@pytest.mark.parametrize('headers,status', [({'origin':'http://evil.example'},403), ({'origin':'null'},403),
                                            ({'origin':'http://station'},303), ({},303)])
def test_another_page_cannot_sign_anybody_in_or_out(people, headers, status):
    with visitor(gate_of(people)) as c:
        assert sign_in(c, 'ann', WORDS, headers=headers)==status
        assert c.post(LOGOUT, headers=headers).status_code==status

def test_an_open_page_whose_session_has_ended_gets_words_and_no_dialog(people):
    with visitor(gate_of(people)) as c:
        r = c.post('/gradio_api/queue/join', json={}, headers={'origin':'http://station'})
        assert r.status_code==401 and 'reload the page' in r.json()['detail'] and 'www-authenticate' not in r.headers

def test_an_open_station_has_no_sign_in():
    with visitor(Gate(page)) as c: assert [c.post(o).status_code for o in (LOGIN,LOGOUT)]==[404,404]

# ---- the command

def said(p): return p.communicate(timeout=PATIENCE)[0]

def command(place, *args, **kw):
    return Command(['serve', *args], place, os.environ, subprocess.STDOUT, **kw)

@pytest.fixture
def people_file(place):
    file = place/'people'
    file.write_text(f'# early shift\nann:{hash_password(WORDS)}\n')
    file.chmod(0o600)
    return file

def test_passwords_from_a_file_over_tls_with_a_log(place, people_file):
    if not shutil.which('openssl'): pytest.skip('no openssl to make a certificate with')
    make = 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem'
    subprocess.run(make.split(), cwd=place, check=True, capture_output=True)
    port = free_port()
    p = command(place, 'runs/a', '--port', str(port), '--no-browser', '--verdicts', 'login', '--passwords', 'people',
                '--tls-cert', 'cert.pem', '--tls-key', 'key.pem')
    with httpx.Client(base_url=f'https://localhost:{port}', verify=False, trust_env=False, timeout=PATIENCE) as c:
        def answers():
            try: return c.get('/').status_code==401
            except httpx.HTTPError: return False
        wait_for(answers, p)
        assert sign_in(c, 'ann', 'wrong-words')==401
        r = c.post(LOGIN, data=dict(name='ann', secret=WORDS))
        assert r.status_code==303 and '; Secure' in r.headers['set-cookie']
        assert c.get('/config').status_code==200
    p.terminate()
    out = said(p)
    assert 'Traceback' not in out and f'https://127.0.0.1:{port}/ and sign in' in out
    for text in (out, ''.join((place/f'login/{o}.log').read_text() for o in ('station','refused'))):
        assert re.search(r'127\.0\.0\.1 POST /login: 401 wrong secret of ann, the 1\. from here', text)
        assert 'signed in as ann' in text
        assert WORDS not in text and 'wrong-words' not in text

REFUSED = {'--passwords none':'cannot be read', '--passwords parts':'Is a directory',
           '--passwords people --user ben:other-words':'exclude each other', '--tls-cert people':'give both',
           '--tls-cert people --tls-key people':'no certificate and its key',
           '--token some-secret-words --proxy everybody':'not an address'}

@pytest.mark.parametrize('args', REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(place, people_file, args, monkeypatch):
    from semiconductor_cls.base.errors import UserError
    from semiconductor_cls.cli import app
    from typer.testing import CliRunner
    monkeypatch.chdir(place)
    e = CliRunner().invoke(app, ['serve', 'runs/a', '--no-browser', *args.split()]).exception
    assert isinstance(e, UserError) and REFUSED[args] in str(e) and '\n' not in str(e), e

def test_a_file_that_others_can_write_is_refused_and_shows_nothing(place, people_file):
    people_file.chmod(0o664)
    p = command(place, 'runs/a', '--no-browser', '--passwords', 'people')
    out = said(p)
    assert p.returncode==1 and out.count('\n')==1 and 'others can write it' in out and 'scrypt$' not in out

def test_the_command_that_makes_a_line_shows_no_password(place):
    pty = pytest.importorskip('pty')
    pid,screen = pty.fork()
    if not pid: os.execv(sys.executable, [sys.executable, '-c', MAIN, 'serve', '--hash-password'])
    shown = b''
    for wait,typed in ((b'Name', 'ann'), (b'shown', WORDS), (b'more', WORDS), (b'scrypt$', None)):
        while wait not in shown: shown += os.read(screen, 1000)
        while wait in (b'shown', b'more') and termios.tcgetattr(screen)[3] & termios.ECHO: time.sleep(.01)
        if typed: os.write(screen, typed.encode()+b'\n')
    os.waitpid(pid, 0)
    assert WORDS.encode() not in shown and b'ann:scrypt$' in shown

def test_wide_without_tls_is_warned_about_and_a_password_in_the_command_too(place):
    p = command(place, 'runs/a', '--port', str(free_port()), '--no-browser', '--verdicts', 'wide', '--host', '0.0.0.0',
                '--user', f'ann:{WORDS}')
    lines = []
    while not lines or 'stop with Ctrl-C' not in lines[-1]: lines.append(p.stdout.readline())
    p.send_signal(signal.SIGTERM)
    said(p)
    assert any('unencrypted' in o and '--tls-cert' in o for o in lines), lines
    assert any('--passwords FILE' in o for o in lines) and not any(WORDS in o for o in lines)

@pytest.mark.parametrize('name', ['HUP','TERM'])
def test_a_station_that_is_stopped_says_so_in_one_line(place, name):
    with Server(place, '--verdicts', 'ended', run='a') as s:
        s.p.send_signal(getattr(signal, f'SIG{name}'))
        *_,begun,ended = said(s.p).splitlines()
    assert 'stop with Ctrl-C' in begun and (ended, s.p.returncode)==('semicls serve: stopped', 130)

LOST = """import os, signal
from semiconductor_cls.station import page
class Last:
    def __del__(self): os.kill(os.getpid(), signal.SIG{name})
opened = page.station_log
def station_log(path):
    Last()
    return opened(path)
page.station_log = station_log
from semiconductor_cls.cli import main
main()"""

@pytest.mark.parametrize('name', ['TERM','INT'])
def test_a_stop_that_python_drops_while_the_station_starts_still_stops_it(place, name):
    words = ['runs/a', '--no-browser', '--port', free_port(), '--verdicts', 'lost']
    p = command(place, *words, code=LOST.format(name=name))
    out = said(p)
    assert p.returncode==130 and 'Traceback' not in out, out
    assert 'stop with Ctrl-C' not in out

# ---- temporary files

def left(place): return sorted(o.name for o in (place/'temp').glob('semicls-station-*'))

def test_what_a_killed_station_has_left_goes_at_the_next_start(place):
    with Server(place, '--verdicts', 'killed', run='a') as s:
        with httpx.Client(base_url=s.url, trust_env=False, timeout=PATIENCE) as c:
            c.get('/')
            c.post('/gradio_api/upload', files={'files':('a.png', b'pixels')})
        killed = left(place)
        s.p.kill()
        s.p.wait()
    assert left(place)==killed and len(killed)>=1 and list((place/'temp').rglob('a.png'))
    with Server(place, '--verdicts', 'killed', run='a') as s:
        assert not set(left(place)) & set(killed) and not list((place/'temp').rglob('a.png'))
        s.stop()
    assert left(place)==[]
