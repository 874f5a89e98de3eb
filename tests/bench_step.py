"""One unfrozen training step of EfficientNet-lite0 at 128 px, batches of 32, by what PyTorch offers to make it faster
on a CPU: as it is, `torch.compile`, bf16.

    OMP_NUM_THREADS=1 python tests/bench_step.py

The three take turns, six steps each; medians of six turns in images a second.
`torch.compile` needs a C++ compiler; how long its first step takes is printed first.
"""
import statistics, time, warnings
warnings.filterwarnings('ignore')
import torch, torch.nn.functional as F
from semiconductor_cls.learner import *

def make():
    model = create_model('efficientnet_lite0', 'concat', 128).to(memory_format=torch.channels_last).train()
    return model,torch.optim.SGD(model.parameters(), lr=1e-4)

def step(model, opt, x, y, bf16):
    with torch.autocast('cpu', torch.bfloat16, enabled=bf16): loss = F.cross_entropy(model(x), y)
    loss.backward()
    opt.step()
    opt.zero_grad()

def timed(n, *args):
    start = time.perf_counter()
    for _ in range(n): step(*args)
    return (time.perf_counter()-start)/n

def main():
    keep_memory()
    torch.manual_seed(0)
    x = torch.randn(32,3,128,128).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 2, (32,))
    models = {k:make() for k in ('as it is','compile','bf16')}
    model,opt = models['compile']
    models['compile'] = torch.compile(model),opt
    print(f"first step of compile: {timed(1, *models['compile'], x, y, False):.0f} s", flush=True)
    took = {k:[] for k in models}
    for _ in range(7):
        for k,(model,opt) in models.items(): took[k].append(timed(6, model, opt, x, y, k=='bf16'))
    for k,seconds in took.items(): # the first turn warms up
        print(f'{k}: {len(x)/statistics.median(seconds[1:]):.0f} images/s')

if __name__=='__main__': main()
