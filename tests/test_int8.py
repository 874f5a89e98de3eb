"Eight bits: refused where decisions change too much, small and repeatable where not"
import os, re
import numpy as np, pytest
from semiconductor_cls.line.bundle import drawn_pictures, open_bundle
from semiconductor_cls.base.files import read_json
from semiconductor_cls.jobs.committee import ensemble_run
from semiconductor_cls.jobs.job import train_job
from conftest import tiny
from warm import Command

EIGHT = """import sys
from semiconductor_cls.line import export, int8
from pathlib import Path
from semiconductor_cls.base.errors import UserError
run,out = sys.argv[1],Path(sys.argv[2])
export.N_CALIB = 16
int8.MAX_CHANGED = -1.
try: export.export_run(run, 'openvino', True, out/'x')
except UserError as e: print(e)
else: sys.exit('not refused')
assert not any(out.iterdir())
int8.MAX_CHANGED = int8.MAX_AUC_LOSS = 1. # what rounding costs an untrained network is not the question here
export.export_run(run, 'openvino', True, out/'q')
"""

def in_eight_bits(run, out):
    """A bundle of a run, in a process of its own, as the command has one: nncf makes and drops OpenVINO's cores as it
    likes, see `test_a_signal_after_scorers_came_and_went`"""
    pytest.importorskip('nncf')
    out.mkdir()
    p = Command([run, out], out.parent, os.environ, code=EIGHT)
    told,err = p.communicate()
    assert p.returncode==0, err
    assert re.search('int8: not exported, on .* validation photographs AUC', told)
    m,b = read_json(out/'q/manifest.json'),open_bundle(out/'q')
    xs = {s:drawn_pictures(s) for s in b.sizes}
    assert m['int8']['images']>0 and m['precision']=='int8'
    assert np.array_equal(b.score(xs), b.score(xs))
    return m['files']['model.bin']['bytes']

def test_eight_bits_are_refused_or_repeatable(trained, tmp_path): in_eight_bits(trained/'runs/a', tmp_path/'out')

@pytest.mark.slow
def test_eight_bits_of_a_committee_are_small(trained, tmp_path):
    run = tmp_path/'run'
    train_job(trained/'parts.csv', tiny(arch='resnet18'), path=run, weights='none') # the smaller ones are mostly frame
    ensemble_run([run, trained/'runs/b'], tmp_path/'both')
    assert in_eight_bits(tmp_path/'both', tmp_path/'out')<.4*(run/'model.safetensors').stat().st_size
