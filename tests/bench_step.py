"""One unfrozen training step of EfficientNet-lite0 at 128 px, batches of 32, by what PyTorch offers to make it faster on a CPU: as it is, `torch.compile`, bf16.

    OMP_NUM_THREADS=1 python tests/bench_step.py

The three take turns, six steps each; medians of six turns in images a second. `torch.compile` needs a C++ compiler; how long its first step takes is printed first.
"""
import statistics, time, warnings
warnings.filterwarnings('ignore')
import torch, torch.nn.functional as F
from semiconductor_cls.learner import *

if __name__=='__main__':
    keep_memory(); torch.manual_seed(0)
    x,y = torch.randn(32,3,128,128).contiguous(memory_format=torch.channels_last),torch.randint(0, 2, (32,))
    def make():
        m = create_model('efficientnet_lite0', 'concat', 128).to(memory_format=torch.channels_last).train()
        return m,torch.optim.SGD(m.parameters(), lr=1e-4)
    def step(m, opt, bf16=False):
        with torch.autocast('cpu', torch.bfloat16, enabled=bf16): loss = F.cross_entropy(m(x), y)
        loss.backward(); opt.step(); opt.zero_grad()
    models = {k:make() for k in ('as it is','compile','bf16')}
    models['compile'] = torch.compile(models['compile'][0]),models['compile'][1]
    t = time.perf_counter(); step(*models['compile']); print(f'first step of compile: {time.perf_counter()-t:.0f} s', flush=True)
    took = {k:[] for k in models}
    for _ in range(7):
        for k,(m,opt) in models.items():
            t = time.perf_counter()
            for _ in range(6): step(m, opt, k=='bf16')
            took[k].append((time.perf_counter()-t)/6)
    for k,v in took.items(): print(f'{k}: {len(x)/statistics.median(v[1:]):.0f} images/s') # the first turn warms up
