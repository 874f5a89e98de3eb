"""Commands for tests, each in a process of its own that is forked from one which has loaded the libraries already.

Loading torch and fastai takes 5 to 8 seconds of CPU, and the tests start over a hundred commands. What must begin from
nothing, such as `python -m semiconductor_cls`, is started by `subprocess` instead."""
import gc, multiprocessing, os, signal, subprocess, sys, tempfile, threading
from multiprocessing import forkserver, resource_tracker

LIBRARIES = ['fastai.vision.all', 'timm', 'albumentations', 'sklearn.metrics', 'matplotlib.pyplot', 'safetensors.torch',
             'torchvision', 'gradio', 'uvicorn'] # None of our own: the command imports those, as it always does
forks = multiprocessing.get_context('forkserver')
forks.set_forkserver_preload(LIBRARIES)
SHARED = 'SEMICLS_TESTS_FORKS' # Where the one server of all the processes that share the tests listens

def share_forks():
    "Start the server; the processes that this one starts ask it too, where Python's servers ask for no key"
    if sys.version_info>=(3,14): return
    forkserver.ensure_running()
    os.environ[SHARED] = forkserver._forkserver._forkserver_address

def _ask_shared(server=forkserver._forkserver):
    server._forkserver_address,server._forkserver_alive_fd = os.environ[SHARED],os.pipe()[1] # it ends with its parent
    server.ensure_running = resource_tracker.ensure_running

if SHARED in os.environ: _ask_shared()

def _command(args, cwd, env, out, err, code, anew, closed): # In the child
    gc.freeze() # the libraries stay, in memory that it shares with its parent
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    out.close()
    if err is not out: err.close()
    for n,name in enumerate(('stdin','stdout','stderr')):
        if n in closed:
            os.close(n)
            setattr(sys, name, None) # as Python has it where a shell gives it no stream
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL) # ignored where the tests run under nohup
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    tempfile.tempdir = None # TMPDIR may be another one
    sys.argv = ['-c', *args]
    for name in [o for o in sys.modules if o.partition('.')[0] in anew]: del sys.modules[name]
    if code: return exec(code, {'__name__':'__main__'})
    from semiconductor_cls import shell
    shell.PATIENCE = 1e6 # 'at work' depends on the load of the machine; test_cli looks at that
    from semiconductor_cls.cli import main
    main()

class Command:
    """`semicls ARGS`, or `code` in its place, with the parts of `subprocess.Popen` that tests use.

    Libraries named in `anew` are imported anew, because they read `env` when they are; it has no streams of `closed`"""
    def __init__(self, args, cwd, env, stderr=subprocess.PIPE, code='', anew=(), closed=()):
        own = [forks.Pipe(duplex=False) for _ in range(1 if stderr==subprocess.STDOUT else 2)]
        words = list(map(str, args)), str(cwd), dict(env), own[0][1], own[-1][1], code, anew, closed
        self.process = forks.Process(target=_command, args=words)
        self.process.start()
        files = []
        for reader,writer in own:
            writer.close()
            files.append(os.fdopen(os.dup(reader.fileno()), encoding='utf-8', errors='replace'))
            reader.close()
        self.pid,self.stdout,self.stderr = self.process.pid,files[0],files[1] if len(files)>1 else None

    def poll(self): return self.process.exitcode
    returncode = property(poll)

    def wait(self, timeout=None):
        self.process.join(timeout)
        if self.returncode is None: raise subprocess.TimeoutExpired('semicls', timeout)
        return self.returncode

    def communicate(self, timeout=None):
        "What it says until it ends"
        said = {}
        def read(file): said[file] = file.read()
        readers = [threading.Thread(target=read, args=[o], daemon=True) for o in (self.stdout, self.stderr) if o]
        for o in readers: o.start()
        for o in readers: o.join(timeout)
        if any(o.is_alive() for o in readers): raise subprocess.TimeoutExpired('semicls', timeout)
        self.wait(timeout)
        return said[self.stdout], said.get(self.stderr)

    def send_signal(self, sig):
        if self.poll() is None: os.kill(self.pid, sig)
    def terminate(self): self.send_signal(signal.SIGTERM)
    def kill(self): self.send_signal(signal.SIGKILL)
