"Killed at any moment, even while writing: the resumed run ends like one that was never touched"
import json, random, signal, time
import pytest

ARGS = 'train parts --good ok --defect ng --arch efficientnet_lite0 --set sizes=32,48 --set epochs=3 --set bs=8'.split()

@pytest.mark.slow
def test_five_kills_five_equal_results(semicls, parts, tmp_path):
    start = time.monotonic()
    whole = semicls(*ARGS, '--name', 'whole')
    length = time.monotonic()-start
    assert whole.returncode==0, whole.err
    want,rng,killed = (tmp_path/'runs/whole/preds_test.csv').read_bytes(),random.Random(0),0
    for i in range(5):
        run = tmp_path/f'runs/k{i}'
        p = semicls(*ARGS, '--name', f'k{i}', wait=False)
        time.sleep(length*rng.uniform(.35, .95))
        killed += p.poll() is None
        p.send_signal(signal.SIGKILL); p.communicate()
        if not (run/'run.json').exists(): again = semicls(*ARGS, '--name', f'k{i}', '--overwrite')
        else: again = semicls('train', 'parts', '--good', 'ok', '--defect', 'ng', '--name', f'k{i}', '--resume')
        assert again.returncode==0, again.err
        assert json.loads((run/'run.json').read_text())['status']=='finished'
        assert (run/'preds_test.csv').read_bytes()==want
    assert killed>=3 # the kills came while it was running
