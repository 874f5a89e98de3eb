"""How `0.2.1.tar.xz` was made: a run and its bundles, and what that release says of six pictures. It needs the code of
then, and runs in an empty folder: `PYTHONPATH=<a checkout of commit c445745> python <this file>`"""
import dataclasses, shutil, tarfile
from pathlib import Path
import numpy as np, onnx, pandas as pd, torch
from PIL import Image
from torch import nn
from semiconductor_cls import __version__, export, train
from semiconductor_cls.job import train_job
from semiconductor_cls.learner import normalise
from semiconductor_cls.predict import open_scorer, score_images
from semiconductor_cls.synth import synth_folder
from semiconductor_cls.train import QUICK

KEPT = 0.06 # Share of each weight matrix and kernel, the largest; the others are 0, so that the file is small

def thin(model):
    "Set most of the weights to zero, in place"
    for p in model.parameters():
        if p.dim()<2: continue
        limit = p.detach().abs().flatten().quantile(1-KEPT)
        with torch.no_grad(): p.mul_(p.abs()>=limit)

def settled(model):
    "Count the batch norms' statistics anew, as the thin weights have others"
    norms = [o for o in model.modules() if isinstance(o, nn.modules.batchnorm._BatchNorm)]
    grays = [np.asarray(Image.open(o).convert('RGB').resize((32,32))) for o in sorted(Path('parts').glob('*/*.bmp'))]
    x = normalise(torch.from_numpy(np.stack(grays)), ([.485,.456,.406],[.229,.224,.225]))
    model.train()
    for o in norms: o.reset_running_stats()
    for o in norms: o.momentum = None
    with torch.no_grad(): model(x)
    model.eval()

def saved_thin(model, path):
    thin(model)
    settled(model)
    save_model(model, path)

def write_bare(members, path):
    "Write the graph without its stack traces, which hold paths of the machine that exports"
    write_onnx(members, path)
    model = onnx.load(path)
    for node in model.graph.node: node.ClearField('metadata_props')
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output): value.ClearField('metadata_props')
    onnx.save(model, path)

def pictures(folder, parts):
    "Gray, RGB, another shape, 16 bits, a JPEG, a part of the size of the network"
    folder.mkdir()
    good,defect = (sorted((parts/o).iterdir()) for o in ('good','defect'))
    def part(path): return Image.open(path).convert('L').resize((90,80))
    part(good[0]).save(folder/'gray.png')
    part(defect[0]).convert('RGB').save(folder/'color.png')
    part(defect[1]).resize((200,90)).save(folder/'wide.png')
    Image.fromarray(np.asarray(part(good[1])).astype(np.uint16)*251).save(folder/'deep.png')
    part(good[2]).resize((300,260)).save(folder/'large.jpg')
    part(defect[2]).resize((32,32)).save(folder/'small.png')

def packed(info):
    "A member that says nothing of who made it, or when"
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ''
    return info

assert __version__=='0.2.1'
torch.set_num_threads(1)
save_model,train.save_model = train.save_model,saved_thin
write_onnx,export.write_onnx = export.write_onnx,write_bare
here = Path().resolve()
synth_folder('parts', 28, 14)
recipe = dataclasses.replace(QUICK, arch='test_efficientnet', sizes=(32,), epochs=6, bs=8, lrs=(3e-3,1e-2,1e-2))
train_job('parts', recipe, path='run', weights='none')
for fmt in ('onnx','openvino'): export.export_run('run', fmt, out=f'bundle_{fmt}')
pictures(here/'pictures', here/'parts')
paths = sorted(str(o.relative_to(here)) for o in (here/'pictures').iterdir())
tables = {o: score_images(open_scorer(o), paths) for o in ('run','bundle_onnx','bundle_openvino')}
scores = pd.concat([t.assign(of=o) for o,t in tables.items()])
scores[['of','path','p_defect','decision']].to_csv('scores.csv', index=False)
shutil.rmtree('run/figures')
Path('run/report.html').unlink()
for o in Path('run').iterdir():
    if o.suffix in ('.csv','.json'): o.write_text(o.read_text().replace(f'{here}/', ''))
with tarfile.open('0.2.1.tar.xz', 'w:xz', preset=9) as f:
    for o in ('run','bundle_onnx','bundle_openvino','pictures','scores.csv'): f.add(o, filter=packed)
