"""Guards all that reads: five hundred hostile inputs, pictures to requests, each understood or refused in one line.
In bounded time and memory, and nothing is written outside; `test_inputs` and `test_tray` ask the commands the same"""
import asyncio, io, json, os, resource, shutil, signal
from contextlib import contextmanager
import numpy as np, pytest
from PIL import Image
from conftest import PATIENCE, score_table, tree
from hostile import (BOX_CELLS, CHANGED_ARCHIVES, CHANGED_PICTURES, EITHER, ODD_DECISIONS, ODD_HEADS, ODD_PICTURES,
    ODD_RUNS, ODD_SCORES,
    ODD_TABLES, REQUESTS, SAME_TABLE, WORDS_OF_A_NETWORK, WRITES, watched)
from semiconductor_cls.base.errors import UserError, one_line
from semiconductor_cls.base.files import write_json, write_text
from semiconductor_cls.base.image import ImageError, load_image
from semiconductor_cls.base.issues import issues_of
from semiconductor_cls.base.run import create_run, open_run
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.evaluate import run_preds
from semiconductor_cls.line.archives import list_archive
from semiconductor_cls.line.inputs import Reader
from semiconductor_cls.source import check_words, read_as, read_source, say_findings

SECONDS,MEMORY = 20,1<<30

class TooLong(BaseException): "Not an `Exception`, so that nothing takes it for a damaged file"

def _late(*_): raise TooLong

def in_use():
    with open('/proc/self/statm') as f: return int(f.read().split()[0])*resource.getpagesize()

@contextmanager
def bounded(inside):
    "Twenty seconds of work, a gigabyte more than there is, nothing opened for writing but below `inside`"
    soft,hard = resource.getrlimit(resource.RLIMIT_AS)
    for sig in (signal.SIGPROF,signal.SIGALRM): signal.signal(sig, _late)
    resource.setrlimit(resource.RLIMIT_AS, (in_use()+MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        with watched() as opened: yield
    finally:
        for timer in (signal.ITIMER_PROF,signal.ITIMER_REAL): signal.setitimer(timer, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    written = [p for p,flags in opened if flags & WRITES and p!=os.devnull]
    assert all(p.startswith(str(inside)) for p in written), written

def refused(error, *names):
    "One line without control characters, which names what is wrong"
    said = str(error)
    assert said and '\n' not in said and len(said)<2000, said
    assert all(c.isprintable() for c in said), said
    assert any(name in said for name in names), said

def test_the_bounds_hold(tmp_path):
    "What the other tests rely on"
    with pytest.raises(MemoryError), bounded(tmp_path): bytearray(4*MEMORY)
    with pytest.raises(AssertionError), bounded(tmp_path/'a'): (tmp_path/'b').write_text('x')
    assert signal.getitimer(signal.ITIMER_REAL)[0]==0

# ---- pictures

def decoded(data, folder):
    "Pixels, or the words of the refusal"
    with bounded(folder):
        try: pixels = load_image(io.BytesIO(data), 32, 1)
        except ImageError as e: return str(e)
    assert pixels.shape==(32,32) and pixels.dtype==np.uint8
    return pixels

@pytest.mark.parametrize('name', CHANGED_PICTURES)
def test_a_picture_that_is_cut_or_flipped(name, tmp_path):
    found = decoded(CHANGED_PICTURES[name](), tmp_path)
    if isinstance(found, str): assert found and '\n' not in found
    if 'early' in name: assert isinstance(found, str), 'a tenth of a picture is none'

@pytest.mark.parametrize('name', ODD_PICTURES)
def test_a_picture_that_promises_what_it_does_not_hold(name, tmp_path):
    make,want = ODD_PICTURES[name]
    found = decoded(make(), tmp_path)
    if want is EITHER: return
    if want is None: assert isinstance(found, np.ndarray), found
    else: assert isinstance(found, str) and want in found, found

# ---- tables

def read(folder, data, name='t.csv'):
    for i in range(2): Image.new('L', (40,30), 90+i).save(folder/f'{i}.png')
    path = folder/name
    path.write_bytes(data)
    with bounded(folder):
        df = read_source(path)
        check_words(df, path)
        assert '\n' not in read_as(df)+say_findings(df)
    return df

@pytest.mark.parametrize('name', SAME_TABLE)
def test_a_table_means_the_same_however_it_is_written(name, tmp_path):
    "Encodings, separators, words, quotes: one good part and one defect, or a refusal"
    data,may_be_refused = SAME_TABLE[name]
    try: df = read(tmp_path, data)
    except UserError as e:
        assert may_be_refused, e
        return refused(e, 't.csv')
    assert df.label.tolist()==['good','defect']
    assert all(os.path.isfile(p) for p in df.path)

@pytest.mark.parametrize('name', ODD_TABLES)
def test_a_table_that_nobody_can_mean(name, tmp_path):
    "Refused, or rows of the table and findings; never a row from nowhere"
    make,want = ODD_TABLES[name]
    try: df = read(tmp_path, make(tmp_path))
    except UserError as e:
        refused(e, 't.csv')
        assert want in str(e), e
        return
    assert want=='', (want, df)
    assert len(df)<=20_000 and df.id.is_unique
    assert set(df.label.dropna())<={'good','defect'}

@pytest.mark.parametrize('cell', BOX_CELLS, ids=[repr(o)[:20] for o in BOX_CELLS])
@pytest.mark.parametrize('corner', ['x_1','y_2'])
def test_a_corner_that_is_no_pixel(cell, corner, tmp_path):
    "A finding that names the line, or a box inside the picture"
    row = dict(x_1='2', y_1='3', x_2='9', y_2='8') | {corner:cell}
    df = read(tmp_path, f'path,label,{",".join(row)}\n0.png,ng,{",".join(row.values())}\n'.encode())
    assert len(df)==1
    boxes,found = df.boxes[0],issues_of(df)
    assert boxes or len(found), 'dropped without a line'
    if len(found): assert 'line 2' in found.detail[0]
    for x,y,right,bottom in boxes: assert 0<=x<=right<40 and 0<=y<=bottom<30

# ---- archives

@pytest.mark.parametrize('name', CHANGED_ARCHIVES)
def test_an_archive_that_is_cut_or_flipped(name, tmp_path):
    "Each member is read, or says why not; damage is a row"
    path = tmp_path/name.split(' ')[0]
    path.write_bytes(CHANGED_ARCHIVES[name]())
    with bounded(tmp_path):
        reader,said = Reader(),[]
        for item in list_archive(path):
            try: load_image(reader(item), 32, 1)
            except ImageError as e: said.append(str(e))
    assert all(o and '\n' not in o for o in said)
    assert [o.name for o in tmp_path.iterdir()]==[path.name]

# ---- runs of strangers

@pytest.fixture(scope='module')
def scored(tmp_path_factory):
    "A finished run of given scores"
    y = np.arange(60)%3==0
    p = np.where(y, .7, .2)+np.linspace(-.1, .1, 60)
    run = create_run(tmp_path_factory.mktemp('scored')/'a', recipe=dict(arch='resnet18', pool='concat', tta=''),
    size=32,
                     stats=[[.5]*3,[.5]*3], seed=0, fingerprint='f')
    for name in ('valid','test'): write_csv(score_table(y, p, name), run/f'preds_{name}.csv')
    write_csv(score_table(y, p, 'test').assign(split='test', defect_type=None, stratum=None), run/'table.csv')
    write_json(run/'metrics.json', dict(threshold=.5))
    run.update(status='finished')
    return run

@pytest.fixture
def strange(scored, tmp_path): return open_run(shutil.copytree(scored.path, tmp_path/'run'))

def use(path):
    "All that a command asks of a run before it scores"
    run = open_run(path)
    [ask(run) for ask in (lambda o: o.status, lambda o: o.decision, lambda o: o.licence, lambda o: o.networks,
                          lambda o: o.pixels, lambda o: o.shown_levels, run_preds)]

def used(run, folder):
    "The run was used, or refused in a line that names it; nothing was written"
    before = tree(folder)
    try:
        with bounded(folder/'nothing'): use(run.path)
    except UserError as e:
        refused(e, str(run.path))
        return str(e)
    finally: assert tree(folder)==before
    return ''

def test_the_run_is_used_as_it_is(strange, tmp_path): assert used(strange, tmp_path)==''

@pytest.mark.parametrize('field,value', ODD_RUNS, ids=[f'{k}-{repr(v)[:24]}' for k,v in ODD_RUNS])
def test_a_field_of_a_stranger_s_run(field, value, strange, tmp_path):
    write_text(strange/'run.json', json.dumps(strange.info | {field:value}))
    used(strange, tmp_path)

@pytest.mark.parametrize('text', ODD_DECISIONS)
@pytest.mark.parametrize('name', ['metrics.json','operating.json'])
def test_a_decision_that_is_none(name, text, strange, tmp_path):
    write_text(strange/name, text)
    assert name in used(strange, tmp_path)

@pytest.mark.parametrize('name', ODD_SCORES)
def test_scores_that_are_none(name, strange, tmp_path):
    (strange/'preds_test.csv').write_bytes(ODD_SCORES[name])
    assert 'preds_test.csv' in used(strange, tmp_path)

@pytest.fixture(scope='module')
def small(tmp_path_factory):
    "A run whose weights are a small network's"
    from semiconductor_cls.learner import create_model, save_model
    recipe = dict(arch='resnet10t', pool='concat', tta='')
    run = create_run(tmp_path_factory.mktemp('small')/'a', recipe=recipe, size=32, stats=[[.5]*3,[.5]*3])
    save_model(create_model('resnet10t'), run/'model.safetensors')
    run.update(status='finished')
    return run

@pytest.mark.parametrize('field,value', WORDS_OF_A_NETWORK, ids=[repr(o)[:40] for o in WORDS_OF_A_NETWORK])
def test_a_network_that_is_not_the_weights(field, value, small, tmp_path):
    from semiconductor_cls.train import load_run_model
    info = small.info
    top = {field:value} if field in ('size','stats') else {'recipe':info['recipe'] | {field:value}}
    run = open_run(shutil.copytree(small.path, tmp_path/'run', copy_function=os.link))
    (run/'run.json').unlink()
    write_text(run/'run.json', json.dumps(info | top))
    with pytest.raises(UserError) as e, bounded(tmp_path/'nothing'): load_run_model(open_run(run.path))
    refused(e.value, 'run.json', 'model.safetensors', one_line(str(value)[:40]))

# ---- requests to the station

async def _ask(gate, method, path, heads, body):
    "The status that the gate, or the page behind it, answers"
    pieces = [dict(type='http.request', body=body, more_body=False)]
    async def receive(): return pieces.pop() if pieces else dict(type='http.disconnect')
    sent = []
    async def send(message): sent.append(message)
    raw,_,query = path.partition('?')
    scope = dict(type='http', method=method, path=raw, raw_path=raw.encode('latin1', 'replace'), scheme='http',
                 query_string=query.encode('latin1', 'replace'), headers=heads, client=('127.0.0.1', 5), root_path='',
                 server=('127.0.0.1', 7860), http_version='1.1')
    await gate(scope, receive, send)
    return next(o['status'] for o in sent if o['type']=='http.response.start')

async def _page(scope, receive, send):
    "A page that answers whatever comes through"
    while (await receive()).get('more_body'): pass
    await send(dict(type='http.response.start', status=200, headers=[]))
    await send(dict(type='http.response.body', body=b'{}'))

def heads_of(**more):
    given = {'host':'127.0.0.1:7860'} | {k.replace('_', '-'):v for k,v in more.items()}
    return [(k.encode('latin1'), v.encode('latin1', 'replace')) for k,v in given.items() if v is not None]

def asked(tmp_path, method, path, heads, body=b''):
    from semiconductor_cls.station.gate import Gate
    (tmp_path/'up').mkdir()
    gate = Gate(_page, hosts={'127.0.0.1'}, max_mb=1, max_file=.5, temp=tmp_path/'up')
    with bounded(tmp_path/'up'): return asyncio.run(_ask(gate, method, path, heads, body))

@pytest.mark.parametrize('name', REQUESTS)
def test_a_request_that_the_page_never_makes(name, tmp_path):
    method,path,more,body = REQUESTS[name]
    if body and 'content_length' not in more: more = more | dict(content_length=str(len(body)))
    assert 400<=asked(tmp_path, method, path, heads_of(**more), body)<500

@pytest.mark.parametrize('name', ODD_HEADS)
def test_a_header_that_no_browser_sends(name, tmp_path):
    assert 400<=asked(tmp_path, 'GET', '/', heads_of(**ODD_HEADS[name]))<500

def test_an_ordinary_request_comes_through(tmp_path):
    assert asked(tmp_path, 'GET', '/config', heads_of())==200

def test_there_are_five_hundred():
    from hostile import CASES
    corners,decisions = 2*len(BOX_CELLS),2*len(ODD_DECISIONS)
    here = map(len, (CHANGED_PICTURES, ODD_PICTURES, SAME_TABLE, ODD_TABLES, CHANGED_ARCHIVES, ODD_RUNS, ODD_SCORES,
        WORDS_OF_A_NETWORK, REQUESTS, ODD_HEADS))
    assert sum(here)+corners+decisions>=500, 'here alone; the cases of `test_inputs` come on top'
    assert len(CASES)>=100
