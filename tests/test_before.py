"""Guards what an earlier release left: a run and two bundles of 0.2.1 (`before/make.py` made them with its code) open,
and score as that release scored. On the machine that made them, one thread, all 18 scores were equal bit for bit"""
import io, re, shutil, subprocess, sys, tarfile
from pathlib import Path
import numpy as np, pandas as pd, pytest
from semiconductor_cls.base.image import load_image
from semiconductor_cls.base.run import open_run
from semiconductor_cls.line.heat import open_explainer
from semiconductor_cls.line.score import open_scorer, score_images

MADE = Path(__file__).resolve().parent/'before/0.2.1.tar.xz'
CLOSE = 1e-6 # Another CPU adds in another order

def engine(name): return {'bundle_onnx':'onnxruntime', 'bundle_openvino':'openvino'}.get(name)

@pytest.fixture(scope='module')
def before(tmp_path_factory):
    "What 0.2.1 left: run, bundle_onnx, bundle_openvino, pictures, and its scores of them"
    here = tmp_path_factory.mktemp('before')
    shutil.unpack_archive(MADE, here)
    return here

def scores_of(before, name):
    "Paths of the pictures, and what 0.2.1 said of them"
    said = pd.read_csv(before/'scores.csv', float_precision='round_trip')
    said = said[said.of==name].reset_index(drop=True)
    return [str(before/o) for o in said.path], said

@pytest.mark.parametrize('name', ['run','bundle_onnx','bundle_openvino'])
def test_what_0_2_1_left_scores_as_it_scored(before, name):
    if engine(name): pytest.importorskip(engine(name))
    paths,said = scores_of(before, name)
    now = score_images(open_scorer(before/name), paths)
    far = np.abs(now.p_defect-said.p_defect).max()
    print(f'{name}: at most {far:.1g} off, {(now.p_defect==said.p_defect).sum()} of {len(said)} equal bit for bit')
    assert np.ptp(said.p_defect)>.4, 'scores that are all alike would show nothing'
    assert far<=CLOSE and now.decision.tolist()==said.decision.tolist()

@pytest.mark.parametrize('name', ['bundle_onnx','bundle_openvino'])
def test_the_script_of_0_2_1_scores_as_it_scored(before, name):
    pytest.importorskip(engine(name))
    paths,said = scores_of(before, name)
    cmd = [sys.executable, before/name/'score.py', *paths]
    done = subprocess.run(cmd, capture_output=True, text=True, check=True)
    script = pd.read_csv(io.StringIO(done.stdout))
    assert np.abs(script.p_defect-said.p_defect).max()<=CLOSE
    assert script.decision.tolist()==said.decision.tolist()

def test_a_run_of_0_2_1_is_read_and_explained(before):
    run = open_run(before/'run')
    assert run.info['versions']['semiconductor_cls']=='0.2.1' and run.status=='finished'
    assert run.decision and len(run.networks)==1 and 'pixels' not in run.info
    paths,said = scores_of(before, 'run')
    explainer = open_explainer(before/'run')
    assert np.abs(explainer.scores([load_image(o) for o in paths])-said.p_defect).max()<=1e-4

def test_what_is_kept_is_small_and_names_no_machine():
    assert MADE.stat().st_size<300_000
    with tarfile.open(MADE) as f:
        for o in f:
            assert not (o.uname or o.uid or o.mtime), o.name
            content = f.extractfile(o).read() if o.isfile() else b''
            assert not re.search(rb'/(root|home|work|tmp)/|site.packages', content), o.name
