"Score pictures: python score.py PICTURE... > scores.csv   Needs numpy, pillow, and the runtime of the manifest."
import csv, hashlib, json, os, runpy, sys
from pathlib import Path
import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent

def check(name, data, digest):
    "Stop if a file is not the one that was exported"
    if hashlib.sha256(data).hexdigest()!=digest: sys.exit(f'{name}: differs from what was exported')

def read_manifest():
    "The manifest, once every file of the bundle has been compared with its hash"
    manifest = json.loads((HERE/'manifest.json').read_text(encoding='utf-8'))
    rest = {k:v for k,v in manifest.items() if k!='seal'}
    text = json.dumps(rest, sort_keys=True, separators=(',',':'))
    check('manifest.json', text.encode(), manifest.get('seal'))
    for name,facts in manifest['files'].items():
        if Path(name).name!=name: sys.exit(f'{name}: differs from what was exported')
        check(name, (HERE/name).read_bytes(), facts['sha256'])
    if manifest['graph'] not in manifest['files']: sys.exit('manifest.json: graph is not one of its files')
    return manifest

def open_onnxruntime(path):
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return lambda inputs: session.run(None, inputs)[0]

def open_openvino(path):
    import openvino
    net = openvino.Core().compile_model(path, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    return lambda inputs: net(inputs)[0]

RUNTIMES = dict(onnxruntime=open_onnxruntime, openvino=open_openvino)

def load_graph(manifest):
    "A function that takes a picture at each side and gives the probability of each member"
    os.environ['ORT_DISABLE_TELEMETRY'] = '1'
    sys.modules['openvino_telemetry'] = None # It scores, and reports to nobody
    return RUNTIMES[manifest['runtime']](HERE/manifest['graph'])

def read_arrays(data):
    "The arrays of a .safetensors file"
    end = 8+int.from_bytes(data[:8], 'little')
    kinds = dict(F16=np.float16, F32=np.float32, I32=np.int32)
    arrays = {}
    for name,head in json.loads(data[8:end]).items():
        if name=='__metadata__': continue
        first,last = head['data_offsets']
        arrays[name] = np.frombuffer(data[end+first:end+last], kinds[head['dtype']]).reshape(head['shape'])
    return arrays

def load_notes(manifest):
    "A function that says in words what is strange about a picture; nothing of a bundle that does not know its product"
    if not {'unlike.safetensors','unlike.py'}<=set(manifest['files']):
        print('This bundle does not know what its product looks like: pictures unlike training are not found; '
              'export again', file=sys.stderr)
        return lambda im: ''
    unlike = runpy.run_path(str(HERE/'unlike.py')) # Compared with its hash
    likeness = unlike['Likeness'](read_arrays((HERE/'unlike.safetensors').read_bytes()))
    return lambda im: unlike['unlike_notes'](likeness, squeeze(im, likeness.side), [im.size])[0]

def to_8bit(im):
    "Sixteen bits lose their low byte, floats and large integers are stretched, all else stays as it is"
    deep = im.mode.startswith('I;16')
    if not deep and im.mode not in ('I','F'): return im
    values = np.nan_to_num(np.asarray(im))
    low,high = values.min(),values.max()
    if deep: values = values//256
    elif im.mode=='F' or low<0 or high>65535: values = (values-low)*(255/max(np.ptp(values), 1e-9))
    elif high>255: values = values//256
    return Image.fromarray(values.astype(np.uint8))

def open_picture(path, channels):
    "A picture, upright, in 8 bits and three channels"
    with Image.open(path, formats=('PNG','JPEG','BMP','TIFF')) as file: im = ImageOps.exif_transpose(file)
    im = to_8bit(im)
    if im.mode=='LAB': im = im.convert('RGB')
    return im.convert('L' if channels==1 else 'RGB').convert('RGB')

def squeeze(im, side):
    "A batch of one picture, squeezed into a square"
    if im.size!=(side,side): im = im.resize((side,side), Image.Resampling.BILINEAR, reducing_gap=2.)
    return np.asarray(im)[None]

def score(graph, manifest, im):
    "Probability of defect of a picture"
    sides = [o['side'] for o in manifest['inputs']]
    members = graph({f'x{side}':squeeze(im, side) for side in sides})[0].astype(float)
    weights = np.array([o['weight'] for o in manifest['members']])
    if manifest['how']=='prob': return members@weights/weights.sum()
    members = members.clip(1e-9, 1-1e-9)
    logit = np.log(members/(1-members))@weights/weights.sum()
    return 1/(1+np.exp(-logit))

def decide(p, low, high, note=''):
    "pass, look or reject; people look at a picture that is unlike training"
    if note: return 'look'
    if p>=high: return 'reject'
    return 'look' if p>=low else 'pass'

def row(graph, manifest, note_of, path):
    "What the table says about a picture; one that cannot be scored, or is unlike training, has a note"
    formula = path.startswith(('=','+','-','@','\t','\r')) # A spreadsheet would run it
    name = "'"+path if formula else path
    try:
        im = open_picture(path, manifest['channels'])
        p,note = score(graph, manifest, im),note_of(im)
    except Exception as e: return [name, '', '', ' '.join(str(e).split()) or type(e).__name__]
    return [name, f'{p:.9g}', decide(p, *manifest['cuts'], note), note]

def main():
    Image.MAX_IMAGE_PIXELS = 32_000_000 # Pillow refuses twice as many
    manifest = read_manifest()
    graph,note_of = load_graph(manifest),load_notes(manifest)
    sys.stdout.reconfigure(encoding='utf-8', errors='surrogateescape', newline='')
    table = csv.writer(sys.stdout)
    table.writerow(['path','p_defect','decision','note'])
    for path in sys.argv[1:]: table.writerow(row(graph, manifest, note_of, path))

if __name__=='__main__': main()
