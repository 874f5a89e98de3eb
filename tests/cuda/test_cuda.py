"""What only a GPU can show; skipped without one.

    python -m pytest -q tests/cuda                               # on a GPU
    SEMICLS_CUDA_TESTS=cpu python -m pytest -q tests/cuda        # a try: the same lines on a CPU
"""
import os, shutil, subprocess, sys, warnings
import numpy as np, pytest, torch
from conftest import PATIENCE, tiny
from semiconductor_cls.all import *
from semiconductor_cls.base.image import load_image
from semiconductor_cls.line.heat import open_explainer
from semiconductor_cls.train import load_checkpoint

pytestmark = pytest.mark.cuda
CLOSE = 1e-4 # A GPU adds up in another order

@pytest.fixture(scope='session')
def device():
    "Where the networks compute"
    if torch.cuda.is_available(): return 'cuda'
    if os.environ.get('SEMICLS_CUDA_TESTS')=='cpu': return 'cpu'
    pytest.skip('no GPU here')

@pytest.fixture(scope='session')
def made(device, tmp_path_factory):
    "parts.csv, runs/a (augmented on the device) and runs/b (in processes of their own). No test changes them"
    p = tmp_path_factory.mktemp('cuda')
    with pytest.MonkeyPatch.context() as mp:
        mp.setenv('SEMICLS_CACHE', str(p/'cache'))
        write_csv(synth_folder(p/'parts', 60, 40), p/'parts.csv')
        for name,more in dict(a=dict(augment='fastai'), b=dict(workers=2, arch='resnet10t', sizes=(48,))).items():
            train_job(p/'parts.csv', tiny(**more), path=p/f'runs/{name}', weights='none', device=device)
        yield p

@pytest.fixture
def chips(tmp_path):
    df = synth_folder(tmp_path/'chips', n_good=60, n_defect=20)
    return split_table(df.assign(hash=[file_md5(p) for p in df.path]))

def scored(path, out, device, engine='torch', inputs=('parts',)):
    "Scores of the parts, by id, and the engine that each row names"
    predict_table(path, [path.parents[1]/o for o in inputs], out, engine, device=device)
    table = read_csv(out)
    return table.p_defect.to_numpy(),set(table.engine)

def test_an_epoch_on_the_device_learns_and_says_where(made, device):
    run = open_run(made/'runs/a')
    assert run.status=='finished' and run.info['device'].startswith(device)
    history,preds = read_csv(run/'history.csv'),read_csv(run/'preds_test.csv')
    assert np.isfinite(history[['train_loss','valid_loss','images_per_s']]).all(axis=None)
    assert preds.p_defect.between(0, 1).all() and preds.p_defect.nunique()>5

def test_the_bytes_lie_where_they_are_augmented(chips, device, tmp_path):
    r = tiny(augment='fastai')
    pixels = recipe_dls(chips, r, 32, device, tmp_path).train.dataset.tls[0].tfms.fs[0]
    assert (pixels.bytes is None)==(device=='cpu')
    if device!='cpu': assert pixels.bytes.is_cuda and pixels(0).is_cuda

class Stop(Exception): pass

def trained_run(chips, path, r, device, stops):
    "A run that is stopped after each of its first `stops` epochs, and goes on"
    run = create_run(path)
    def train(tell): return train_run(chips, run, r, weights='none', device=device, folder=path.parent/'c', tell=tell)
    def stop(row): raise Stop('power cut') # fastai wants a reason
    for _ in range(stops):
        with pytest.raises(Stop): train(stop)
    train(lambda row: None)
    return [(run/o).read_bytes() for o in ('preds_test.csv','model.safetensors')]

@pytest.mark.parametrize('precision', ['fp32','fp16','bf16'])
@pytest.mark.parametrize('augment', ['fastai','albumentations'])
def test_resumed_training_ends_in_the_same_bytes(chips, device, tmp_path, precision, augment):
    r = tiny(precision=precision, augment=augment, epochs=3, ema=.9)
    if device=='cpu' and precision!='fp32':
        with pytest.raises(UserError, match='only on CUDA'): trained_run(chips, tmp_path/'r', r, device, 0)
        return
    asked = dict(whole=0, again=0, cut=3) # name, stops
    whole,again,cut = (trained_run(chips, tmp_path/name, r, device, k) for name,k in asked.items())
    assert whole==again, 'two trainings of one seed differ'
    assert whole==cut, 'a resumed training differs'

def test_the_scale_of_fp16_is_in_the_checkpoint(chips, device, tmp_path):
    if device=='cpu': pytest.skip('fp16 is for a GPU')
    run = create_run(tmp_path/'r')
    train_run(chips, run, tiny(precision='fp16'), weights='none', device=device, folder=tmp_path/'c')
    assert load_checkpoint(run/'checkpoint.pt')['amp']['scale']>0

def test_half_of_the_bits_begin_like_all(chips, device, tmp_path):
    "The first step, whose weights and pictures are the same; later ones grow apart from rounding alone"
    if device=='cpu': pytest.skip('mixed precision is for a GPU')
    first = {}
    for precision in ('fp32','bf16','fp16'):
        losses = []
        def log(learn, row, steps, *_): losses.extend(o['loss'] for o in steps)
        fit_recipe(chips, tiny(precision=precision, epochs=4), weights='none', device=device, folder=tmp_path, log=log)
        assert np.isfinite(losses).all()
        first[precision] = losses[0]
    assert max(first.values())-min(first.values())<.02, first

def test_a_step_does_not_wait_for_the_gpu(chips, device, tmp_path):
    if device=='cpu': pytest.skip('nothing waits on a CPU')
    from fastai.callback.core import Callback
    waits = []
    class Watched(Callback):
        order = -100
        def before_batch(self): torch.cuda.set_sync_debug_mode('warn' if self.training and self.iter>2 else 'default')
        def after_train(self): torch.cuda.set_sync_debug_mode('default')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        learn = fit_recipe(chips, tiny(augment='fastai', bs=4), weights='none', device=device, folder=tmp_path,
                           log=lambda learn, row, steps, *_: waits.append(len(steps)), cbs=[Watched()])
    n = sum('synchronizing' in str(o.message) for o in said)
    assert n<sum(waits), f'{n} waits in {sum(waits)} steps'

def test_committee_and_other_views_on_the_device(made, device, tmp_path):
    for name in 'ab': shutil.copytree(made/f'runs/{name}', tmp_path/f'runs/{name}')
    shutil.copy(made/'parts.csv', tmp_path)
    ensemble_run([tmp_path/'runs/a', tmp_path/'runs/b'], tmp_path/'runs/both', tta='dihedral')
    new = tta_run(open_run(made/'runs/b'), tmp_path/'views', 'dihedral', device)
    here = read_csv(new/'preds_test.csv').p_defect
    there = read_csv(tta_run(open_run(made/'runs/b'), tmp_path/'cpu', 'dihedral', 'cpu')/'preds_test.csv').p_defect
    assert np.abs(here-there).max()<CLOSE
    both = tmp_path/'runs/both'
    shutil.copytree(made/'parts', tmp_path/'parts')
    far,engines = scored(both, tmp_path/'far.csv', device)
    near,_ = scored(both, tmp_path/'near.csv', 'cpu')
    assert np.abs(far-near).max()<CLOSE and engines=={'torch' if device=='cpu' else 'torch cuda'}

def test_predict_gives_what_training_wrote(made, device, tmp_path):
    far,_ = scored(made/'runs/a', tmp_path/'far.csv', device)
    table = read_csv(tmp_path/'far.csv').set_index('id').p_defect
    wrote = read_csv(made/'runs/a/preds_test.csv').set_index('path').p_defect
    by_path = read_csv(tmp_path/'far.csv').set_index('path').p_defect
    assert len(table)==100 and np.abs(by_path.reindex(wrote.index)-wrote).max()<CLOSE

def test_maps_are_those_of_a_cpu(made, device):
    pytest.importorskip('pytorch_grad_cam')
    photos = [load_image(path) for path in read_csv(made/'parts.csv').path[:6]]
    here,there = open_explainer(made/'runs/a', device),open_explainer(made/'runs/a', 'cpu')
    assert np.abs(here.scores(photos)-there.scores(photos)).max()<CLOSE
    assert np.abs(here.maps(photos)-there.maps(photos)).max()<.01

def test_an_exported_graph_scores_on_the_device_or_says_why_not(made, device, tmp_path):
    for o in ('onnx','onnxscript','onnxruntime'): pytest.importorskip(o)
    import onnxruntime
    from semiconductor_cls.line.export import export_run
    shutil.copytree(made/'runs', tmp_path/'runs')
    shutil.copytree(made/'parts', tmp_path/'parts')
    run = tmp_path/'runs/a'
    export_run(run)
    want,_ = scored(run, tmp_path/'torch.csv', device)
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        with pytest.raises(UserError, match='has no CUDA'): scored(run, tmp_path/'no.csv', 'cuda', 'export')
        if device!='cpu': return
    found,engines = scored(run, tmp_path/'graph.csv', device, 'export')
    assert np.abs(found-want).max()<CLOSE
    assert engines=={'onnxruntime' if device=='cpu' else 'onnxruntime cuda'}

def test_ranks_train_one_model(made, device, tmp_path):
    "On NCCL with a GPU each; on gloo where a CPU stands in"
    if device!='cpu' and torch.cuda.device_count()<2: pytest.skip('one GPU')
    hidden = dict(CUDA_VISIBLE_DEVICES='') if device=='cpu' else {}
    env = os.environ | dict(OMP_NUM_THREADS='1', HF_HUB_OFFLINE='1', SEMICLS_CACHE=str(tmp_path/'cache'), **hidden)
    words = [sys.executable, *'-m torch.distributed.run --standalone --nproc-per-node 2 -m semiconductor_cls'.split()]
    words += ['train', str(made/'parts.csv'), *'--arch resnet18 --weights none --set sizes=32 --set bs=8'.split()]
    words += '--set epochs=1 --set augment=fastai'.split()
    runs = []
    for name in ('one','two'):
        done = subprocess.run([*words, '--name', name], cwd=tmp_path, env=env, capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode==0, done.stderr[-3000:]
        runs.append(open_run(tmp_path/f'runs/{name}'))
    assert [run.info['world'] for run in runs]==[2,2]
    assert runs[0].file('preds_test.csv').read_bytes()==runs[1].file('preds_test.csv').read_bytes()
