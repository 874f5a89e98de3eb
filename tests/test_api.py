"Guards the station as a program asks it: one picture in, its score out; without a secret or a picture, neither"
import ast, asyncio, inspect, socket
import pytest
pytest.importorskip('gradio')
pytest.importorskip('pytorch_grad_cam')
from starlette.testclient import TestClient
from conftest import Server, get, tree
from hostile import refused_files
from semiconductor_cls.base.table import read_csv
from semiconductor_cls.station import gate, page
from semiconductor_cls.station.gate import OPENAPI, SCORE, check_access
from semiconductor_cls.station.page import make_app
from semiconductor_cls.station.station import Station

TOKEN = 'a-long-token'
pytestmark = pytest.mark.usefixtures('one_thread')

@pytest.fixture
def opened(place, tmp_path):
    "A station for up to 2 MB, its run's own test scores, and where uploads and verdicts lie"
    (tmp_path/'temp').mkdir()
    def app(**kw): return make_app(Station(place/'runs/a', tmp_path/'v', max_mb=2), temp=tmp_path/'temp', **kw)
    return app, read_csv(place/'runs/a/preds_test.csv').head(3), tmp_path

def test_a_program_gets_the_score_of_the_table_and_nothing_is_kept(opened):
    app,want,tmp = opened
    with TestClient(app()) as c:
        before = tree(tmp/'temp'), tree(tmp/'v/store')
        for o in want.itertuples():
            with open(o.path, 'rb') as f: said = c.post(SCORE, content=f.read()).json()
            assert abs(said['p_defect']-o.p_defect)<1e-5
            assert said['decision']==('reject' if said['p_defect']>=said['threshold'] else 'pass')
            assert said['model'].startswith('a@') and said['engine']=='torch' and said['scored_at']
        assert (tree(tmp/'temp'), tree(tmp/'v/store'))==before
        doc = c.get(OPENAPI).json()
        assert set(said)==set(doc['paths'][SCORE]['post']['responses']['200']['content']['application/json']['schema']
                              ['required'])

def test_no_picture_is_a_reason_in_words(opened):
    app,_,tmp = opened
    with TestClient(app()) as c:
        for name,(data,why) in refused_files().items():
            said = c.post(SCORE, content=data)
            assert said.status_code in (413,422), name
            if said.status_code==422: assert said.json()['detail'], name
        assert c.post(SCORE, content=b'', headers={'content-length':'5000000'}).status_code==413
        assert c.post(SCORE, json=dict(path='/etc/passwd')).status_code==422
        for way in ('/api', '/api/', '/api/docs', SCORE+'/', '/api/%2e%2e/etc/passwd'):
            assert c.get(way).status_code==404, way
        assert c.get(SCORE).status_code==404
        assert c.post(SCORE, content=b'x', headers={'origin':'http://evil.example'}).status_code==403

ELSEWHERE = {404:'other addresses', 409:'events of the page', 507:'uploads'}

def test_every_refusal_is_in_the_document(opened):
    "The numbers of refusals that stand in the source, against those that programs are told"
    source = '\n'.join(map(inspect.getsource, (gate, page.Incoming, page.one_of, page._add_api)))
    numbers = {o.value for o in ast.walk(ast.parse(source)) if isinstance(o, ast.Constant) and type(o.value) is int}
    with TestClient(opened[0]()) as c: answers = c.get(OPENAPI).json()['paths'][SCORE]['post']['responses']
    assert {str(o) for o in numbers-set(ELSEWHERE) if o in range(400, 600)}==set(answers)-{'200'}

def test_a_program_needs_the_secret(opened, place):
    app,want,tmp = opened
    with open(want.path[0], 'rb') as f: picture = f.read()
    ann,wrong,bearer = ('ann','secret-words'),('ann','wrong-words'),{'authorization':f'Bearer {TOKEN}'}
    with TestClient(app(token=TOKEN)) as c:
        assert c.post(SCORE, content=picture).status_code==401
        assert c.post(SCORE, content=picture, headers={'authorization':'Bearer wrong'}).status_code==401
        assert c.post(SCORE, content=picture, headers=bearer).status_code==200
        assert c.get(OPENAPI, headers=bearer).status_code==200
    with TestClient(app(users=check_access('0.0.0.0', '', [':'.join(ann)]))) as c:
        for auth,status in ((None,401), (wrong,401), (ann,200)):
            assert c.post(SCORE, content=picture, auth=auth).status_code==status
        assert c.post(SCORE, content=picture, headers=bearer).status_code==401, 'a token opens no station with names'

# ---- clients that never finish, and a blind round

def half_sent(s):
    "A connection on which the first bytes of a picture have been sent"
    k = socket.create_connection(('127.0.0.1', s.port))
    k.sendall(f'POST {SCORE} HTTP/1.1\r\nhost: 127.0.0.1:{s.port}\r\ncontent-length: 1000000\r\n\r\nabc'.encode())
    return k

def test_clients_that_never_finish_keep_nobody_waiting(place):
    "Two of them once held both places for good"
    pictures = sorted((place/'parts/good').iterdir())[:3]
    with Server(place, '--verdicts', 'slow', run='a') as s:
        slow = [half_sent(s) for _ in range(5)]
        for path in pictures: assert get(f'{s.url}api/score', path.read_bytes())[0]==200
        for k in slow: k.close() # they leave in the middle
        for path in pictures: assert get(f'{s.url}api/score', path.read_bytes())[0]==200
        s.quiet()

def test_what_is_not_sent_in_time_is_answered(opened, monkeypatch):
    monkeypatch.setattr('semiconductor_cls.station.page.SEND_SECONDS', .05)
    sent,got = [dict(type='http.request', body=b'abc', more_body=True)],[]
    async def receive(): return sent.pop() if sent else await asyncio.Event().wait()
    async def send(message): got.append(message)
    heads = [(b'host',b'localhost'), (b'content-length',b'1000')]
    scope = dict(type='http', method='POST', path=SCORE, raw_path=SCORE.encode(), headers=heads, query_string=b'',
                 http_version='1.1', scheme='http', client=('127.0.0.1',9), server=('127.0.0.1',9), root_path='')
    asyncio.run(opened[0]()(scope, receive, send))
    assert got[0]['status']==408 and got[1]['body']==b'{"detail":"not sent within 0.05 seconds"}'
    assert (b'connection',b'close') in got[0]['headers'], 'the connection is let go'

@pytest.mark.parametrize('rows', [0, 1000])
def test_a_table_is_whole_though_the_next_one_is_written_while_it_is_sent(opened, rows):
    "A client once got nothing of a journal that had grown since its length was told"
    app,_,tmp = opened
    got,journal = [],tmp/'v/journal.csv'
    async def send(message):
        got.append(message)
        if message['type']=='http.response.start': journal.write_text('time,who\r\n'+'2026,Ann\r\n'*rows)
    async def receive(): return dict(type='http.request', body=b'', more_body=False)
    scope = dict(type='http', method='GET', path='/journal.csv', raw_path=b'/journal.csv', root_path='',
                 headers=[(b'host',b'localhost')], query_string=b'', http_version='1.1', scheme='http',
                 client=('127.0.0.1',9), server=('127.0.0.1',9))
    asyncio.run(app()(scope, receive, send))
    heads,body = dict(got[0]['headers']),b''.join(o.get('body', b'') for o in got[1:])
    assert got[0]['status']==200 and len(body)==int(heads[b'content-length']) and body.startswith(b'time,who,verdict')
    assert heads[b'content-disposition']==b'attachment; filename="journal.csv"'

def test_a_blind_round_gives_no_scores_to_programs(place, tmp_path):
    station = Station(place/'runs/a', tmp_path/'v', max_mb=2)
    station.round = 'round-1'
    with TestClient(make_app(station, temp=tmp_path)) as c, open(next((place/'parts/good').iterdir()), 'rb') as f:
        said = c.post(SCORE, content=f.read())
        assert (said.status_code, said.json())==(403, dict(detail='blind round-1: scores come after it'))
        assert c.get('/journal.csv').status_code==403

def test_where_the_machine_speaks_second_its_tables_are_for_engineers(place, tmp_path):
    users = check_access('127.0.0.1', '', ['ann:right-words','eve:other-words:engineer'])
    station = Station(place/'runs/a', tmp_path/'v', judge_first=True)
    got = {}
    with TestClient(make_app(station, users=users, temp=tmp_path, roles={'eve':'engineer'})) as c:
        for who,word in (('ann','right-words'), ('eve','other-words')):
            for sent in ({}, {'x-station-role':'engineer'}): # what a visitor claims is nothing
                got[who,len(sent)] = [c.get(f'/{o}.csv', auth=(who,word), headers=sent).status_code
                                      for o in ('journal','verdicts','moves')]
    assert got=={('ann',0):[403]*3, ('ann',1):[403]*3, ('eve',0):[200]*3, ('eve',1):[200]*3}
