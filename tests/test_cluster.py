"Scores and checks from a cluster are those of one machine, whatever dies meanwhile"
import json, os, signal, sys, time
from pathlib import Path
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
    ('predict runs/a gs://lots/ --out s.csv', 'gcsfs'), ('eda parts --engine ray --out s', 'duckdb'),
    ('train parts --folds 2 --engine ray --out s', 'ray'), ('ablate parts --vary bs=8,16 --engine ray --out s', 'ray'),
    ('committee parts --arch resnet18 --engine ray --out s', 'ray')])
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

@pytest.mark.parametrize('args,want', {
    'train parts --engine ray':'shares out folds', 'train parts --folds 2 --engine magic':'one of local, ray',
    'committee parts --arch resnet18 --engine ray --jobs 2':'exclude each other'}.items())
def test_trainings_refuse_what_cannot_be_shared_out(args, want, trained, monkeypatch, capsys):
    from semiconductor_cls.cli import main
    monkeypatch.setitem(sys.modules, 'ray', sys)
    monkeypatch.chdir(trained)
    monkeypatch.setattr('sys.argv', ['semicls', *args.split(), '--name', 's'])
    with pytest.raises(SystemExit): main()
    assert want in capsys.readouterr().err and not (trained/'runs/s').exists()

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

# ---- trainings

TINY = '--good ok --defect ng --weights none --set sizes=32 --set frozen_epochs=0 --set bs=8 --set tta=off'.split()
ASKED = dict( # What is asked, its runs, the table or scores that come of them
    committee=('committee parts --arch resnet10t,test_resnet,resnet18', 'NAME-*-0', 'NAME/combinations.csv'),
    ablate=('ablate parts --set arch=test_resnet --vary pool=avg --seeds 0', 'NAME/runs/*-s0', 'NAME/ablation.csv'),
    train=('train parts --arch resnet10t --folds 2', 'NAME/fold?', 'NAME/preds_valid.csv'))
SAME = 'preds_valid.csv', 'preds_test.csv', 'model.safetensors' # to the byte

def train(cluster, folder, what, name, *more, epochs=1, **kw):
    words = [*ASKED[what][0].split(), *TINY, '--set', f'epochs={epochs}', '--name', name, *more]
    return cluster.run(*SEMICLS, *words, cwd=folder, **kw)

def runs_of(folder, what, name):
    "Name of a member, without that of its committee → its run"
    found = sorted((folder/'runs').glob(ASKED[what][1].replace('NAME', name)))
    return {o.name.removeprefix(f'{name}-'):o for o in found}

def told(run): return json.loads((run/'run.json').read_text())

def check_same_runs(folder, what, one, many):
    a,b = (runs_of(folder, what, name) for name in (one,many))
    assert len(a)>=2 and list(a)==list(b)
    for name in a:
        assert all((a[name]/o).read_bytes()==(b[name]/o).read_bytes() for o in SAME), name
        assert told(b[name])['status']=='finished' and told(a[name])['threads']==told(b[name])['threads']==1
    want,found = ((folder/'runs'/ASKED[what][2].replace('NAME', name)).read_text() for name in (one,many))
    assert found.replace(f'{many}-', f'{one}-')==want

def workers(cluster): # Processes that train
    return [pid for pid in cluster.ticks() if b'ray::_attempt' in Path(f'/proc/{pid}/cmdline').read_bytes()]

def wait_until(cond, p, seconds=900):
    end = time.monotonic()+seconds
    while not cond():
        assert time.monotonic()<end and p.poll() is None, p.communicate()
        time.sleep(.05)

@pytest.mark.slow
@pytest.mark.parametrize('what', ASKED)
def test_trainings_on_a_cluster_give_the_bytes_of_one_machine(what, cluster, parts, tmp_path):
    for name,more in dict(one=[], many=['--engine','ray']).items():
        p = train(cluster, tmp_path, what, name, *more)
        assert p.returncode==0, p.err
    check_same_runs(tmp_path, what, 'one', 'many')
    assert '3 nodes, 2 cores' in p.err and not [*tmp_path.rglob('.shared-*')]
    for name in runs_of(tmp_path, what, 'many'): assert f'{name}: on ' in p.err and f'{name}: ended' in p.err

@pytest.mark.slow
def test_a_bad_member_costs_no_other_and_resume_does_only_the_rest(cluster, parts, tmp_path):
    bad = tmp_path/'runs/c-test_resnet-0'
    bad.parent.mkdir()
    bad.symlink_to('/proc/nowhere/run') # where nothing can be written
    p = train(cluster, tmp_path, 'committee', 'c', '--engine', 'ray')
    said = p.err.strip().splitlines()
    assert p.returncode==1 and f'1 failed ({bad.name}: ' in said[-1] and 'the others are finished' in said[-1], p.err
    ended = [o.rpartition('; ')[2] for o in said if ': /proc/nowhere/run: cannot be made ' in o and o!=said[-1]]
    assert ended==['given up'], 'a place that is wrong is no bad luck, so it is not tried again'
    bad.unlink()
    there = {o:(o/'model.safetensors').stat().st_mtime_ns for o in runs_of(tmp_path, 'committee', 'c').values()}
    assert len(there)==2 and {told(o)['status'] for o in there}=={'finished'}
    p = train(cluster, tmp_path, 'committee', 'c', '--engine', 'ray', '--resume')
    assert p.returncode==0 and p.err.count('finished already')==2, p.err
    assert {o:(o/'model.safetensors').stat().st_mtime_ns for o in there}==there and told(bad)['status']=='finished'

@pytest.mark.slow
def test_killed_workers_and_a_stopped_command_cost_only_time(cluster, parts, tmp_path):
    one = train(cluster, tmp_path, 'train', 'one', epochs=12)
    assert one.returncode==0, one.err
    more,marks = ('--engine','ray'),[tmp_path/f'runs/many/fold{i}/checkpoint.pt' for i in (0,1)]
    def written(): return {o:o.stat().st_mtime_ns for o in marks if o.exists()}
    for what in ('kill', signal.SIGINT, signal.SIGTERM):
        before = written()
        p = train(cluster, tmp_path, 'train', 'many', *more, epochs=12, wait=False)
        wait_until(lambda before=before: written()!=before, p)
        if what=='kill':
            for pid in workers(cluster): os.kill(int(pid), signal.SIGKILL)
            begun = 0
            while begun<3: begun += ': on ' in next(p.stderr) # one of them once more
            what,before = signal.SIGINT,written()
            wait_until(lambda before=before: written()!=before, p)
        p.send_signal(what)
        p.communicate(timeout=600)
        assert p.returncode==130
        assert told(tmp_path/'runs/many')['status']=='interrupted'
        assert 'interrupted' in {told(o)['status'] for o in runs_of(tmp_path, 'train', 'many').values()}
        more = ('--engine','ray','--resume')
    p = train(cluster, tmp_path, 'train', 'many', *more, epochs=12)
    assert p.returncode==0, p.err
    check_same_runs(tmp_path, 'train', 'one', 'many')

@pytest.mark.slow
def test_more_threads_than_a_node_has_cores_are_refused(cluster, parts, tmp_path):
    p = train(cluster, tmp_path, 'committee', 'c', '--engine', 'ray', env=dict(OMP_NUM_THREADS='2'))
    assert p.returncode==1 and 'OMP_NUM_THREADS=2: no node has so many cores, the largest has 1' in p.err, p.err
    assert not runs_of(tmp_path, 'committee', 'c')
