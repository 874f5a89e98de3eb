"The engines that score without torch: a signal is handled after scorers came and went"
import subprocess, sys

SIGNAL = """import faulthandler, gc, os, signal, sys
faulthandler.enable() # has a stack of its own for handlers, as pytest has
from pathlib import Path
from semiconductor_cls.line.runtime import openvino_scorer
def scorer(): return openvino_scorer(*[Path(sys.argv[1], o).read_bytes() for o in ('model.xml','model.bin')])
a = scorer()
b = scorer()
del a
c = scorer()
del b, c
gc.collect() # a later one goes, an earlier one has gone before
signal.signal(signal.SIGINT, lambda *a: print('interrupted'))
os.kill(os.getpid(), signal.SIGINT)
"""

def test_a_signal_after_scorers_came_and_went(bundles):
    p = subprocess.run([sys.executable, '-c', SIGNAL, str(bundles/'a')], capture_output=True, text=True)
    assert (p.returncode,p.stdout)==(0,'interrupted\n'), p.stderr
