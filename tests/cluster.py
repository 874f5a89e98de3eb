"""A real Ray cluster on one machine: a head without cores and two nodes of one core, each in a network namespace.

    python tests/cluster.py               CPU seconds of 10,000 small files: on one machine, and on the cluster
    python tests/cluster.py --trainings 4 the same of four trainings: --jobs 2, and --engine ray

Needs root, `ip`, and the extra `scale`. The tests of test_cluster.py use the same class."""
import os, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

RAY = [sys.executable, '-m', 'ray.scripts.scripts']
QUICK = dict( # A dead node is noticed soon; a busy machine may take long to start one
    RAY_health_check_initial_delay_ms='5000', RAY_health_check_period_ms='1000',
    RAY_health_check_failure_threshold='15',
    RAY_raylet_start_wait_time_s='40', RAY_agent_register_timeout_ms='300000', RAY_USAGE_STATS_ENABLED='0',
    RAY_worker_register_timeout_seconds='300', RAY_AUTH_MODE='disabled', OMP_NUM_THREADS='1',
    http_proxy='', https_proxy='', HTTP_PROXY='', HTTPS_PROXY='', CUDA_VISIBLE_DEVICES='', HF_HUB_OFFLINE='1')

PORTS = {'dashboard-agent-grpc':'52366', 'dashboard-agent-listen':'52365', 'runtime-env-agent':'52367',
         'metrics-export':'52368'} # Each namespace has its own

def ip(*args): return subprocess.run(['ip', *args], capture_output=True, text=True)

def can():
    "Why no such cluster can be had, or ''"
    try: import ray # noqa
    except ImportError: return 'ray is not installed'
    if not shutil.which('ip') or os.geteuid(): return 'network namespaces need root and `ip`'
    made = ip('netns', 'add', 'semicls_try')
    ip('netns', 'del', 'semicls_try')
    return made.stderr.strip()

class Cluster:
    "Namespaces semicls0 (head) to semicls2, 10.98.0.10 to 12, on one bridge"
    def __init__(self, nodes=2): self.nodes,self.temp = nodes,tempfile.mkdtemp(prefix='sr', dir='/tmp')

    def __enter__(self):
        try: return self._up()
        except BaseException:
            self.__exit__()
            raise

    def _up(self):
        self.down()
        ip('link', 'add', 'semiclsbr', 'type', 'bridge')
        ip('link', 'set', 'semiclsbr', 'up')
        for i in range(self.nodes+1): self._wire(i)
        self._start(0, '--head', '--port', '6399', '--num-cpus', '0', '--include-dashboard', 'false',
                    '--temp-dir', self.temp)
        for i in range(1, self.nodes+1): self.join(i)
        return self

    def __exit__(self, *_):
        self.down()
        shutil.rmtree(self.temp, ignore_errors=True)

    def _wire(self, i):
        ip('netns', 'add', f'semicls{i}')
        ip('link', 'add', f'semiclsv{i}', 'type', 'veth', 'peer', 'name', 'e0', 'netns', f'semicls{i}')
        ip('link', 'set', f'semiclsv{i}', 'master', 'semiclsbr', 'up')
        for o in (['addr','add',f'10.98.0.1{i}/24','dev','e0'], ['link','set','e0','up'], ['link','set','lo','up']):
            ip('netns', 'exec', f'semicls{i}', 'ip', *o)

    def _start(self, i, *args):
        words = ['--object-store-memory','200000000', '--disable-usage-stats', '--node-ip-address',f'10.98.0.1{i}']
        for o,port in PORTS.items(): words += [f'--{o}-port', port]
        cmd = ['ip','netns','exec',f'semicls{i}', *RAY, 'start', *args, *words]
        for _ in range(8): # Ray gives the agent of a node 15 s to start, which a busy machine may not keep
            p = subprocess.run(cmd, env=os.environ | QUICK, capture_output=True, text=True, timeout=600)
            if not p.returncode: return
            self.kill(i)
        raise AssertionError(p.stdout+p.stderr)

    def join(self, i):
        "Start node `i`"
        self._start(i, '--address', '10.98.0.10:6399', '--num-cpus', '1')

    def run(self, *cmd, wait=True, **kw):
        "A command in the namespace of the head"
        env = os.environ | QUICK | dict(RAY_ADDRESS='10.98.0.10:6399') | kw.pop('env', {})
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        p = subprocess.Popen(['ip','netns','exec','semicls0', *map(str, cmd)], env=env, **pipes, **kw)
        if wait: p.out,p.err = p.communicate(timeout=1800)
        return p

    def kill(self, i):
        "Kill all processes of node `i` at once, as a power cut does"
        for pid in ip('netns', 'pids', f'semicls{i}').stdout.split():
            try: os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError: pass

    def ticks(self):
        "CPU time of each process of each node so far, in clock ticks"
        pids = [pid for i in range(self.nodes+1) for pid in ip('netns', 'pids', f'semicls{i}').stdout.split()]
        found = {}
        for pid in pids:
            try: found[pid] = sum(map(int, Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[11:13]))
            except OSError: pass
        return found

    def down(self):
        for i in range(self.nodes+1):
            self.kill(i)
            ip('link', 'del', f'semiclsv{i}')
            ip('netns', 'del', f'semicls{i}')
        ip('link', 'del', 'semiclsbr')

# ---- 10,000 files

SEMICLS = [sys.executable, '-c', 'from semiconductor_cls.cli import main; main()']

def parts_in(out): return sorted(out.glob('part-*.parquet'))

def wait_for_parts(out, n, p, seconds=1800):
    "Wait until `n` shards lie in a folder, while `p` runs"
    end = time.monotonic()+seconds
    while time.monotonic()<end and p.poll() is None:
        if len(parts_in(out))>=n: return
        time.sleep(.05)
    p.kill()
    raise AssertionError(f'{len(parts_in(out))} of {n} shards: {p.communicate()}')

def many(folder, n, drawn=200):
    "`n` names of `drawn` small parts, and one broken file"
    from conftest import part
    for i in range(drawn): part(folder/f'{i:05d}.png', i%4==0, i)
    for i in range(drawn, n-1): os.link(folder/f'{i%drawn:05d}.png', folder/f'{i:05d}.png')
    (folder/'broken.png').write_bytes(b'no image')

def rows(path):
    "A table of scores without the time of its command"
    import pandas as pd
    return pd.read_parquet(path).drop(columns='scored_at')

def spent(cluster, *cmd, cwd):
    "CPU seconds of a command and of all nodes meanwhile, and how long it took; a worker ends with its command"
    before = last = cluster.ticks()
    start = time.monotonic()
    p = cluster.run(*SEMICLS, *cmd, cwd=cwd, wait=False)
    while p.poll() is None:
        last = last | cluster.ticks()
        time.sleep(.2)
    assert p.returncode in (0,3), p.communicate()
    return sum(n-before.get(pid, 0) for pid,n in last.items())/os.sysconf('SC_CLK_TCK'), time.monotonic()-start

def bench(n=10_000):
    from conftest import random_run
    with tempfile.TemporaryDirectory() as tmp, Cluster() as cluster:
        tmp = Path(tmp)
        random_run(tmp/'run', 128)
        many(tmp/'in', n)
        predict = 'predict', 'run', 'in', '--out'
        for name,more in dict(warm=['warm','--engine','ray'], local=['l.parquet'], ray=['s','--engine','ray']).items():
            cpu,wall = spent(cluster, *predict, *more, cwd=tmp)
            print(f'{name}: {1e3*cpu/n:.2f} ms of CPU an image, start included; {wall:.0f} s', flush=True)

def bench_trainings(n=4):
    from conftest import part
    recipe = '--weights none --set sizes=64 --set frozen_epochs=0 --set epochs=20 --set bs=16 --set tta=off'.split()
    with tempfile.TemporaryDirectory() as tmp, Cluster() as cluster:
        tmp = Path(tmp)
        for i in range(400): part(tmp/'in'/('defect' if i%4==0 else 'good')/f'{i:03}.png', i%4==0, i)
        ask = 'committee', 'in', '--arch', 'resnet10t', '--seeds', ','.join(map(str, range(n))), *recipe
        for name,more in dict(warm=['--engine','ray'], jobs=['--jobs','2'], ray=['--engine','ray']).items():
            cpu,wall = spent(cluster, *ask, '--name', name, *more, cwd=tmp)
            print(f'{name}: {cpu/n:.1f} s of CPU a training, start and average included; {wall:.0f} s', flush=True)

if __name__=='__main__':
    sys.path.insert(0, str(Path(__file__).parent))
    job = bench_trainings if sys.argv[1:2]==['--trainings'] else bench
    job(*[int(o) for o in sys.argv[1:] if o.isdecimal()])
