"Jobs of test_parallel.py: processes of their own import this file, and nothing else of the tests"
import os, signal, time
from semiconductor_cls.base.errors import UserError

def works(path, tell): (path/f'{os.getpid()}').write_text(os.environ['OMP_NUM_THREADS'])
def refuses(tell): raise UserError('no such folder')
def dies(path, tell):
    (path/f'try{os.getpid()}').touch()
    os.kill(os.getpid(), signal.SIGKILL)
def dies_once(path, tell):
    first = not list(path.glob('once*'))
    (path/f'once{os.getpid()}').touch()
    if first: os.kill(os.getpid(), signal.SIGKILL)
    tell('done')
def waits(path, tell):
    (path/'begun').touch()
    try: time.sleep(300)
    finally: (path/'stopped').touch()
