"Killed at any moment, also in the middle of writing a checkpoint: the resumed run ends like one that was never touched"
import json, random, signal, time
import pytest

ARGS = 'train parts --good ok --defect ng --arch efficientnet_lite0 --set sizes=32,48 --set epochs=3 --set bs=8'.split()

@pytest.mark.slow
def test_five_kills_five_equal_results(semicls, parts, tmp_path):
    "Three kills at random moments, two on sight of a checkpoint's temporary file; a draw that comes after the end is repeated"
    start = time.monotonic()
    whole = semicls(*ARGS, '--name', 'whole')
    length = time.monotonic()-start
    assert whole.returncode==0, whole.err
    want,rng = (tmp_path/'runs/whole/preds_test.csv').read_bytes(),random.Random(0)

    def half_written(run): return list(run.glob('.checkpoint.pt.*.tmp'))
    def kill(i, writing):
        "Whether the process was still at work, and writing if so wished"
        run = tmp_path/f'runs/k{i}'
        p = semicls(*ARGS, '--name', f'k{i}', '--overwrite', wait=False)
        time.sleep(length*rng.uniform(.35, .8 if writing else .95))
        while writing and p.poll() is None and not half_written(run): time.sleep(.001)
        p.send_signal(signal.SIGKILL); p.communicate()
        return p.returncode==-signal.SIGKILL and (not writing or len(half_written(run))==1)

    for i in range(5):
        writing,run = i>=3,tmp_path/f'runs/k{i}'
        assert any(kill(i, writing) for _ in range(8))
        if not (run/'run.json').exists(): again = semicls(*ARGS, '--name', f'k{i}', '--overwrite')
        else: again = semicls('train', 'parts', '--good', 'ok', '--defect', 'ng', '--name', f'k{i}', '--resume')
        assert again.returncode==0, again.err
        assert json.loads((run/'run.json').read_text())['status']=='finished'
        assert (run/'preds_test.csv').read_bytes()==want
        assert not list(run.rglob('.*.tmp'))
