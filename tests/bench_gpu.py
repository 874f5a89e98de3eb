"""Images a second on a GPU, in training and in scoring: ours, stock fastai, and the model alone on a batch of noise.

    python tests/bench_gpu.py [--rows rows.csv] [--size 128] [--bs 64] [--images 6000] [--arch efficientnet_lite0]
    python tests/bench_gpu.py --device cpu --size 32 --bs 8 --images 160 --repeats 1 --arch test_resnet   # a try

Prints a table; `--rows` also writes its lines as rows for nbs/experiments/benchmarks.csv. A share is that of the same
precision's model alone, which neither loads nor augments. Pictures are drawn, weights random: only speed is measured.
"""
import argparse, csv, dataclasses, os, sys, tempfile, time, warnings
warnings.filterwarnings('ignore')
from pathlib import Path
from statistics import median
from fastai.vision.all import *
from semiconductor_cls.all import *
from semiconductor_cls.learner import save_model # fastai has one too

def say(text): print(text, flush=True)

def wait(device):
    if torch.device(device).type=='cuda': torch.cuda.synchronize()

def rate(f, images, device, repeats):
    "Median images a second of `f`, after one call to warm up"
    f()
    took = []
    for _ in range(repeats):
        wait(device)
        start = time.perf_counter()
        f()
        wait(device)
        took.append(time.perf_counter()-start)
    return images/median(took)

# ---- the model alone

def cast(device, precision):
    kind = torch.float16 if precision=='fp16' else torch.bfloat16
    return torch.autocast(torch.device(device).type, kind, enabled=precision!='fp32')

def alone(o, precision, compiled=False):
    "A training step, and a forward pass, of a batch of noise"
    model = create_model(o.arch, 'concat', o.size).to(o.device, memory_format=torch.channels_last)
    opt = torch.optim.AdamW(model.parameters(), 1e-4, fused=torch.device(o.device).type=='cuda')
    x = torch.randn(o.bs, 3, o.size, o.size, device=o.device).contiguous(memory_format=torch.channels_last)
    y = torch.arange(o.bs, device=o.device)%2
    run = torch.compile(model) if compiled else model
    def steps():
        for _ in range(o.steps):
            with cast(o.device, precision): loss = F.cross_entropy(run(x).float(), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
    def passes():
        with torch.no_grad():
            for _ in range(o.steps): predict_batch(run, x)
    train = rate(steps, o.bs*o.steps, o.device, o.repeats)
    model.eval()
    return train,rate(passes, o.bs*o.steps, o.device, o.repeats)

# ---- training

class Clock(Callback):
    "Images a second of the training part of each epoch"
    order = 90
    def before_fit(self): self.rates = []
    def before_train(self):
        wait(self.dls.device)
        self.n,self.start = 0,time.perf_counter()
    def after_batch(self):
        if self.training: self.n += len(self.y)
    def after_train(self):
        wait(self.dls.device)
        self.rates.append(self.n/(time.perf_counter()-self.start))

def ours(o, df, precision, **more):
    "Images a second of our epochs but the first, and the learner"
    r = dataclasses.replace(QUICK, arch=o.arch, sizes=(o.size,), bs=o.bs, frozen_epochs=0, epochs=o.repeats+1, tta='',
                            precision=precision, **dict(augment='fastai') | more)
    rows = []
    def log(learn, row, *_): rows.append(row['images_per_s'])
    learn = fit_recipe(df, r, weights='none', device=o.device, log=log)
    return median(rows[1:]),learn

def stock(o, df):
    "The same of stock fastai, its own augmentations on the device, its worker processes at their number"
    augs = aug_transforms(flip_vert=True, max_rotate=10., max_zoom=1.1, max_lighting=.2, max_warp=.2, p_affine=.5)
    dls = ImageDataLoaders.from_df(df.assign(is_valid=df.split=='valid'), path='/', fn_col='path', label_col='label',
                                   valid_col='is_valid', bs=o.bs, num_workers=o.workers, device=o.device,
                                   item_tfms=Resize(o.size, method='squish'), batch_tfms=augs)
    learn = vision_learner(dls, o.stock_arch, pretrained=False, normalize=False, metrics=accuracy)
    learn.unfreeze()
    clock = Clock()
    with learn.no_bar(), learn.no_logging(): learn.fit(o.repeats+1, 1e-4, cbs=clock)
    return median(clock.rates[1:]),learn

# ---- all of it

def measured(o, folder):
    "What was measured, images a second, which model alone it is compared with"
    df = synth_folder(folder/'parts', n_good=o.images*4//5, n_defect=o.images//5)
    df = split_table(df.assign(hash=[file_md5(path) for path in df.path]), test=.1, valid=.1)
    is_gpu,base = torch.device(o.device).type=='cuda',{}
    for precision in ['fp32','bf16'] if is_gpu else ['fp32']:
        base[precision],base['score'] = alone(o, precision)
        yield f'model alone, training step, {precision}',base[precision],None
        train,learn = ours(o, df, precision)
        yield f'training, {precision}, augment=fastai',train,base[precision]
    yield 'model alone, scoring, fp32',base['score'],None
    yield f'training, {precision}, albumentations in {o.workers} workers', \
        ours(o, df, precision, augment='albumentations', workers=o.workers)[0],base[precision]
    train,theirs = stock(o, df)
    yield f'training, fp32, stock fastai, {o.workers} workers',train,base['fp32']
    rows = df.index.to_numpy()
    yield 'scoring, decoded pictures',rate(lambda: predict_rows(learn.model, learn.dls, rows), len(df), o.device,
                                           o.repeats),base['score']
    def get_preds():
        with theirs.no_bar(): theirs.get_preds(dl=theirs.dls.test_dl(df.path.tolist(), num_workers=o.workers))
    speed = rate(get_preds, len(df), o.device, o.repeats)
    yield f'scoring files, stock get_preds, {o.workers} workers',speed,base['score']
    run = kept(learn, folder/'run', o)
    def predict(): predict_table(run, [folder/'parts'], folder/'scores.csv', 'torch', device=o.device)
    yield 'scoring files, semicls predict --engine torch',rate(predict, len(df), o.device, o.repeats),base['score']
    if o.compile:
        train,score = alone(o, precision, compiled=True)
        yield f'model alone, torch.compile, training step, {precision}',train,base[precision]
        yield 'model alone, torch.compile, scoring, fp32',score,base['score']

def kept(learn, path, o):
    "A run that `predict` opens"
    r = dataclasses.replace(QUICK, arch=o.arch, sizes=(o.size,), tta='')
    run = create_run(path, recipe=dataclasses.asdict(r), size=o.size, stats=arch_cfg(o.arch)['stats'], seed=0)
    save_model(learn.model, run/'model.safetensors')
    run.write('metrics.json', dict(threshold=.5))
    run.update(status='finished')
    return path

def machine(device):
    "As a row of benchmarks.csv says it"
    name = torch.cuda.get_device_name(device) if torch.device(device).type=='cuda' else 'no GPU'
    return f'{name}, {n_cpus()} CPU cores, torch {torch.__version__}'

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--arch', default='efficientnet_lite0')
    parser.add_argument('--rows', type=Path, help='also write rows for benchmarks.csv')
    for name,value in dict(size=128, bs=64, images=6000, repeats=3, steps=20, workers=n_cpus()).items():
        parser.add_argument(f'--{name}', type=int, default=value)
    parser.add_argument('--compile', action='store_true', help='also the model alone under torch.compile')
    o = parser.parse_args()
    check_device(o.device)
    o.stock_arch = arch_name(o.arch)
    what,day = f'{o.arch}, {o.size} px, batch {o.bs}',time.strftime('%Y-%m-%d')
    same = day,git_commit(),machine(o.device),' '.join(['python', 'tests/bench_gpu.py', *sys.argv[1:]])
    say(f'{what}; {machine(o.device)}')
    with tempfile.TemporaryDirectory() as folder, open(o.rows or os.devnull, 'w', newline='') as f:
        os.environ['SEMICLS_CACHE'] = f'{folder}/cache'
        for name,speed,own in measured(o, Path(folder)):
            share = f'{speed/own:.0%} of the model alone' if own else ''
            say(f'{name:<52} {speed:>10,.0f} images/s  {share}')
            csv.writer(f).writerow([*same, f'{what}: {name}', f'{speed:.0f}', 'images/s', '', share])
            f.flush() # what was measured stays, whatever comes next

if __name__=='__main__': main()
