"Scores and checks from a cluster are those of one machine, whatever dies meanwhile"
import os, signal, sys
import pandas as pd, pytest, requests
from cluster import SEMICLS, Cluster, can, many, parts_in, rows, wait_for_parts
from conftest import part, random_run
from semiconductor_cls.base.errors import UserError

WANT = dict(check_exact=True)

# ---- without an engine

def block(monkeypatch, *names):
    for o in names: monkeypatch.setitem(sys.modules, o, None)

@pytest.mark.parametrize('args,missing', [
    ('predict runs/a parts --engine ray --out s', 'ray'), ('predict runs/a s3://lots/ --out s.csv', 'fsspec'),
    ('predict runs/a gs://lots/ --out s.csv', 'gcsfs'), ('eda parts --engine ray --out s', 'duckdb')])
def test_what_is_missing_is_named_with_the_line_that_installs_it(args, missing, trained, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    block(monkeypatch, missing)
    monkeypatch.chdir(trained)
    monkeypatch.setattr('sys.argv', ['semicls', *args.split()])
    with pytest.raises(SystemExit) as e: main()
    said = [o for o in capsys.readouterr().err.splitlines() if 'pip install' in o]
    assert e.value.code==1 and len(said)==1
    assert 'gcsfs' in said[0] if missing=='gcsfs' else "'semiconductor_cls[scale]'" in said[0]
    assert not (trained/'s').exists()

def test_an_engine_that_is_none_is_refused(trained, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    monkeypatch.chdir(trained)
    monkeypatch.setattr('sys.argv', 'semicls eda parts --engine magic --out s'.split())
    with pytest.raises(SystemExit): main()
    assert '--engine magic: one of local, ray' in capsys.readouterr().err

@pytest.mark.parametrize('args,want', {
    'parts --out s.csv':'name a folder', '--watch parts --out s':'--watch exclude', 'parts --submission --out s':
    '--submission exclude'}.items())
def test_a_cluster_refuses_what_it_does_not_do(args, want, trained, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    monkeypatch.chdir(trained)
    monkeypatch.setattr('sys.argv', ['semicls','predict','runs/a', *args.split(), '--engine','ray'])
    with pytest.raises(SystemExit): main()
    assert want in capsys.readouterr().err

# ---- a store

@pytest.fixture
def bucket(tmp_path, monkeypatch):
    "A server that speaks S3, with the parts of a folder; the folder"
    moto = pytest.importorskip('moto.server')
    s3fs = pytest.importorskip('s3fs')
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host,port = server.get_host_and_port()
    told = dict(AWS_ENDPOINT_URL=f'http://127.0.0.1:{port}', AWS_ACCESS_KEY_ID='a', AWS_SECRET_ACCESS_KEY='b',
                AWS_DEFAULT_REGION='us-east-1', NO_PROXY='127.0.0.1', no_proxy='127.0.0.1')
    for k,v in told.items(): monkeypatch.setenv(k, v)
    s3fs.S3FileSystem.clear_instance_cache()
    folder = tmp_path/'lots'
    for i in range(40): part(folder/f'{i%2}/{i:02}.png', i%4==0, i)
    (folder/'0/broken.png').write_bytes(b'no image')
    (folder/'1/zero.bmp').write_bytes(b'')
    (folder/'1/notes.txt').write_text('no part')
    fs = s3fs.S3FileSystem()
    fs.mkdir('plant')
    fs.put(str(folder), 'plant/lots', recursive=True)
    yield folder
    requests.post(f'http://127.0.0.1:{port}/moto-api/reset')
    server.stop()

def test_a_bucket_is_scored_as_the_folder_is(bucket, tmp_path, monkeypatch):
    from semiconductor_cls.line.predict import predict_table
    from semiconductor_cls.scale.cluster import one_by_one
    from semiconductor_cls.scale.scores import predict_shards
    random_run(tmp_path/'run', 32)
    said = []
    predict_table(tmp_path/'run', [bucket], tmp_path/'folder.parquet')
    predict_table(tmp_path/'run', [f'file://{bucket}'], tmp_path/'file.parquet')
    predict_table(tmp_path/'run', ['s3://plant/lots/'], tmp_path/'bucket.parquet', tell=said.append)
    predict_shards(tmp_path/'run', ['s3://plant/lots'], tmp_path/'shards', size=32, over=one_by_one)
    local = rows(tmp_path/'folder.parquet')
    pd.testing.assert_frame_equal(rows(tmp_path/'file.parquet'), local, **WANT)
    for o in ('bucket.parquet','shards'):
        there = rows(tmp_path/o)
        assert there.path.str.startswith('s3://plant/lots/').all()
        pd.testing.assert_frame_equal(there.drop(columns='path'), local.drop(columns='path'), **WANT)
    assert local.note.ne('').sum()>=2 and any("1 '*.txt'" in o for o in said)

def test_a_list_of_urls_and_an_object_that_is_gone(bucket, tmp_path):
    from semiconductor_cls.line.predict import predict_table
    random_run(tmp_path/'run', 32)
    (tmp_path/'l.txt').write_text('s3://plant/lots/0/00.png\ns3://plant/lots/gone.png\n')
    n = predict_table(tmp_path/'run', [tmp_path/'l.txt'], tmp_path/'o.parquet')
    assert (n['files'], n['broken'])==(2,1)
    assert rows(tmp_path/'o.parquet').note[1]=='no such file'
    with pytest.raises(UserError, match='no images there'):
        predict_table(tmp_path/'run', ['s3://plant/nothing/'], tmp_path/'o2.parquet')
    with pytest.raises(UserError, match='no images there'):
        predict_table(tmp_path/'run', ['s3://another-bucket/x/'], tmp_path/'o2.parquet')

def test_an_outage_stops_the_command_and_leaves_no_rows(bucket, tmp_path, monkeypatch):
    from semiconductor_cls.line.predict import predict_table
    import s3fs
    random_run(tmp_path/'run', 32)
    async def down(*_, **__): raise TimeoutError('no answer')
    monkeypatch.setattr(s3fs.S3FileSystem, '_cat_file', down)
    with pytest.raises(UserError, match='TimeoutError: no answer'):
        predict_table(tmp_path/'run', ['s3://plant/lots/0/00.png'], tmp_path/'o.csv')
    assert not (tmp_path/'o.csv').exists()

# ---- checks

def findings(out):
    "What an inspection wrote, without what differs from run to run"
    from semiconductor_cls.base.files import read_json
    told = {k:v for k,v in read_json(out/'summary.json').items() if k!='seconds'}
    return told, (out/'issues.csv').read_bytes()

def test_checks_by_duckdb_are_those_of_one_machine(replica, tmp_path):
    pytest.importorskip('duckdb')
    from functools import partial
    from semiconductor_cls.inspect import run_eda
    from semiconductor_cls.scale.cluster import one_by_one
    from semiconductor_cls.scale.copies import find_copies_joined
    find = partial(find_copies_joined, folder=tmp_path/'many/facts', over=one_by_one)
    run_eda(replica[0], tmp_path/'one')
    run_eda(replica[0], tmp_path/'many', find=find)
    assert findings(tmp_path/'many')==findings(tmp_path/'one')
    assert findings(tmp_path/'one')[0]['n_duplicates']>0 and findings(tmp_path/'one')[0]['n_near_duplicates']>0

def test_tables_joined_by_duckdb_propose_the_same_pairs(monkeypatch):
    duckdb = pytest.importorskip('duckdb')
    import numpy as np
    from semiconductor_cls import duplicates
    from semiconductor_cls.scale import copies
    for room in (duplicates,copies): monkeypatch.setattr(room, '_FEW', 100)
    rng = np.random.default_rng(0)
    prints = rng.normal(size=(600,duplicates.N_BITS)).astype(np.float16)
    prints[300:400] = prints[:100]+rng.normal(0, .4, (100,duplicates.N_BITS)).astype(np.float16)
    prints[400:430] = prints[:30][:,duplicates.VIEWS['mirrored']]
    as_is,*views = [duplicates.whiten(prints, view) for view in duplicates.VIEWS]
    want = duplicates.propose(as_is, views)
    assert len(want)>=100 and set(want[:,2])>={0,1}
    np.testing.assert_array_equal(copies.propose_joined(duckdb.connect(), prints), want)

# ---- a cluster

N = 10_000
SCALE = .25 # Share of the contest's images in the long test of checks

@pytest.fixture(scope='module')
def cluster():
    why = can()
    if why: pytest.skip(why)
    with Cluster() as made: yield made

@pytest.fixture(scope='module')
def plant(tmp_path_factory):
    "10,000 files, a run, and the table that one machine makes"
    from semiconductor_cls.line.predict import predict_table
    p = tmp_path_factory.mktemp('plant')
    random_run(p/'run', 32)
    many(p/'in', N)
    predict_table(p/'run', [p/'in'], p/'local.parquet')
    return p

def predict(cluster, plant, out, **kw):
    return cluster.run(*SEMICLS, 'predict', 'run', 'in', '--engine', 'ray', '--out', out, cwd=plant, **kw)

def check_equal(plant, out):
    local = rows(plant/'local.parquet')
    local['path'] = [os.path.relpath(o, plant) for o in local.path]
    pd.testing.assert_frame_equal(rows(plant/out), local, **WANT)
    assert len(local)==N

@pytest.mark.slow
def test_10_000_files_are_scored_as_on_one_machine(cluster, plant):
    p = predict(cluster, plant, 's')
    assert p.returncode==3 and f'{N:,} files' in p.out, p.err # one of them is broken
    assert '3 nodes, 2 cores' in p.err
    check_equal(plant, 's')

@pytest.mark.slow
def test_the_driver_killed_the_same_command_does_only_the_rest(cluster, plant):
    p = predict(cluster, plant, 'd', wait=False)
    wait_for_parts(plant/'d', 8, p)
    p.send_signal(signal.SIGKILL)
    p.communicate()
    there = {o:o.stat().st_mtime_ns for o in parts_in(plant/'d')}
    assert 8<=len(there)<40
    again = predict(cluster, plant, 'd')
    assert again.returncode==3, again.err
    assert f'{256*len(there):,} of {N:,} files had been scored before' in again.err
    assert {o:o.stat().st_mtime_ns for o in there}==there
    check_equal(plant, 'd')

@pytest.mark.slow
def test_a_node_killed_half_way_complete_and_equal(cluster, plant):
    p = predict(cluster, plant, 'n', wait=False)
    wait_for_parts(plant/'n', 12, p)
    cluster.kill(2)
    out,err = p.communicate(timeout=1800)
    assert p.returncode==3, err
    check_equal(plant, 'n')
    cluster.join(2)

@pytest.mark.slow
def test_checks_of_a_replica_are_those_of_one_machine(cluster, tmp_path):
    pytest.importorskip('duckdb')
    from semiconductor_cls.synth import synth
    synth(tmp_path/'chips', scale=SCALE, seed=3, wrong_labels=.1)
    ran = {}
    for name,more in dict(one=[], many=['--engine','ray']).items():
        ran[name] = cluster.run(*SEMICLS, 'eda', 'chips', '--out', name, *more, cwd=tmp_path)
        assert ran[name].returncode==0, ran[name].err
    assert findings(tmp_path/'many')==findings(tmp_path/'one')
    told = findings(tmp_path/'one')[0]
    assert min(told[k] for k in ('n_leaks','n_conflicts','n_near_duplicates','n_duplicates'))>0
    again = cluster.run(*SEMICLS, 'eda', 'chips', '--out', 'many', '--engine', 'ray', cwd=tmp_path)
    assert 'files had been read before' in again.err, again.err
