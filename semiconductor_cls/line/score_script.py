"Score pictures: python score.py PICTURE... > scores.csv   Needs numpy, pillow, and the runtime of the manifest."
import csv, hashlib, io, json, os, runpy, sys
from datetime import datetime, timezone
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

FORMATS = ('PNG','JPEG','BMP','TIFF','WEBP','JPEG2000','PPM')

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
    fit = fit_of(manifest)
    return lambda im: unlike['unlike_notes'](likeness, as_square(im, likeness.side, fit), [im.size])[0]

def tag_of(im, number, default=None):
    "A tag of a TIFF; else the default"
    value = getattr(im, 'tag_v2', {}).get(number, default)
    return value[0] if isinstance(value, tuple) else value

def numbers_of(im, levels):
    "The numbers of a picture of more than 8 bits, black the least; None of any other"
    stored = str(im.tile[0].args) if im.tile else ''
    signed = im.mode=='L' and tag_of(im, 258)==8 and tag_of(im, 339)==2
    if not signed and not im.mode.startswith(('I','F')):
        if ';16' in stored and levels: raise ValueError('16-bit colours: not read here; score it with semicls predict')
        return None
    unsigned,bits = 'I;32' in stored and tag_of(im, 339, 1)==1,tag_of(im, 258, 16)
    numbers = np.asarray(im)
    if signed: numbers = numbers.view(np.int8)
    if unsigned: numbers = numbers.view(np.uint32)
    if tag_of(im, 262)!=0: return numbers
    if im.mode=='F': return -numbers
    black_first = 2**bits-1-numbers.astype(np.int64)
    return black_first.astype(numbers.dtype) if numbers.dtype.kind=='u' else black_first

def to_levels(numbers, levels):
    "8 bits by the levels of the training pictures"
    low,high = levels
    numbers = np.asarray(numbers, np.float64 if numbers.dtype.itemsize>2 else np.float32)
    gray = (numbers-low)*(255/(high-low))
    return np.nan_to_num(gray, nan=0.).clip(0, 255).round().astype(np.uint8)

def lone(numbers):
    "8 bits without levels: sixteen lose their low byte, floats and large integers are stretched"
    if numbers.dtype==np.uint16: return (numbers>>8).astype(np.uint8)
    finite = numbers[np.isfinite(numbers)]
    low,high = (float(finite.min()),float(finite.max())) if finite.size else (0.,1.)
    if numbers.dtype.kind in 'iu' and low>=0 and high<65536:
        return (numbers//256 if high>255 else numbers).astype(np.uint8)
    numbers = np.nan_to_num(numbers.astype(np.float32), nan=low, posinf=high, neginf=low)
    return ((numbers-low)*np.float32(255/max(high-low, 1e-9))).clip(0, 255).astype(np.uint8)

def on_black(im):
    "A picture in front of black, where it is transparent"
    rgba = im.convert('RGBA')
    if rgba.getchannel('A').getextrema()[0]==255: return im
    mode = 'L' if im.mode in ('1','LA','La','L') else 'RGB'
    return Image.alpha_composite(Image.new('RGBA', im.size, 'black'), rgba).convert(mode)

def doubts_of(numbers, levels):
    "What may be doubted about the numbers of a deep picture"
    finite = np.isfinite(numbers)
    if 1-finite.mean()>.01: yield f'{1-finite.mean():.0%} of the pixels are no numbers (NaN, infinite)'
    if levels:
        far = np.mean(finite & ((numbers<levels[0])|(numbers>levels[1])))
        if far>.01: yield f'{far:.0%} of the pixels lie outside levels {levels[0]:,.6g} to {levels[1]:,.6g}'
    if levels==[]: yield 'more than 8 bits, and no such picture was in training'

def blank_share(a):
    "Share of a picture that a band of one value along an edge takes"
    largest = 0
    for a in (a, a[::-1], a.swapaxes(0, 1), a.swapaxes(0, 1)[::-1]):
        if not (a[0]==a[0,0]).all(): continue
        lines = (a==a[0,0]).reshape(len(a), -1).all(1)
        largest = max(largest, (len(a) if lines.all() else int(lines.argmin()))/len(a))
    return largest

def open_picture(path, channels, levels=None):
    "A picture, upright, in 8 bits and three channels; its `info` has `doubts` and `several` pages"
    content = io.BytesIO(Path(path).read_bytes()) # by its path, Pillow scrambles a TIFF that was turned
    with Image.open(content, formats=FORMATS) as file:
        several,stored = getattr(file, 'is_animated', False),str(file.tile[0].args) if file.tile else ''
        numbers = numbers_of(file, levels)
        doubts = [] if numbers is None else list(doubts_of(numbers, levels))
        if numbers is None and ';16' in stored and levels==[]: doubts = list(doubts_of(np.zeros(1), []))
        turn = file.getexif().get(274)
        if numbers is None: im = on_black(file) if file.has_transparency_data else file
        else:
            im = Image.fromarray(to_levels(numbers, levels) if levels else lone(numbers))
            if turn: im.getexif()[274] = turn
        im = ImageOps.exif_transpose(im)
    if im.mode=='LAB': im = im.convert('RGB')
    im = im.convert('L' if channels==1 else 'RGB').convert('RGB')
    im.info.update(doubts=doubts, several=several)
    return im

def fit_of(manifest):
    "How a picture becomes a square: squeeze, or pad"
    fit = (manifest.get('pixels') or {}).get('resize', 'squeeze') # of an older bundle: none
    if fit not in ('squeeze','pad'): raise ValueError(f'pixels: resize={fit} is not known to this script')
    return fit

def inside(size, side, fit):
    "Where in its square a picture lies: left, top, right, bottom"
    if fit=='squeeze': return 0,0,side,side
    wide,high = (max(1, round(o*side/max(size))) for o in size)
    left,top = (side-wide)//2,(side-high)//2
    return left,top,left+wide,top+high

def as_square(im, side, fit):
    "A batch of one picture, made a square; a margin has the median of the outermost pixels"
    left,top,right,bottom = inside(im.size, side, fit)
    size = right-left,bottom-top
    if im.size!=size: im = im.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.)
    a = np.asarray(im)
    if size==(side,side): return a[None]
    border = np.median(np.concatenate([a[0], a[-1], a[:,0], a[:,-1]]), 0)
    square = np.full((side,side,3), border.astype(np.uint8))
    square[top:bottom,left:right] = a
    return square[None]

def doubt_of(im, pixels, blank):
    "What may be doubted about a picture; it begins with look: if a person should look"
    doubts,share = list(im.info['doubts']),blank_share(pixels)
    if share>blank: doubts.append(f'{share:.0%} of the picture is one value, as if its end were missing')
    pages = ['the first of several pages'] if im.info['several'] else []
    return ('look: ' if doubts else '')+'; '.join(doubts+pages)

def score(graph, manifest, strange_of, path):
    "Probability of defect of a picture, and what may be doubted"
    rule,fit = manifest.get('pixels') or dict(levels=None, blank=1.),fit_of(manifest) # of an older bundle: none
    im = open_picture(path, manifest['channels'], rule['levels'])
    sides = [o['side'] for o in manifest['inputs']]
    squares = {side:as_square(im, side, fit) for side in sides}
    left,top,right,bottom = inside(im.size, min(sides), fit)
    strange,doubt = strange_of(im),doubt_of(im, squares[min(sides)][0,top:bottom,left:right], rule['blank'])
    note = '; '.join(o for o in (strange, doubt.removeprefix('look: ') if strange else doubt) if o)
    members = graph({f'x{side}':square for side,square in squares.items()})[0].astype(float)
    weights = np.array([o['weight'] for o in manifest['members']])
    if manifest['how']=='prob': return members@weights/weights.sum(), note
    members = members.clip(1e-9, 1-1e-9)
    logit = np.log(members/(1-members))@weights/weights.sum()
    return 1/(1+np.exp(-logit)), note

def decide(p, low, high, note=''):
    "pass, look or reject; people look at a picture unlike training, and at a doubtful one before it passes"
    if note.startswith('unlike training'): return 'look'
    if p>=high: return 'reject'
    return 'look' if p>=low or note.startswith('look: ') else 'pass'

def row(graph, manifest, strange_of, path):
    "What the table says about a picture; one that cannot be scored, or is unlike training, has a note"
    formula = path.startswith(('=','+','-','@','\t','\r')) # A spreadsheet would run it
    name = "'"+path if formula else path
    try: p,note = score(graph, manifest, strange_of, path)
    except MemoryError: raise
    except Exception as e: return [name, '', '', ' '.join(str(e).split()) or type(e).__name__]
    return [name, f'{p:.9g}', decide(p, *manifest['cuts'], note), note]

def trace(manifest):
    "What every row says of its origin: threshold, model with the digits of its weights, engine, time, decision"
    digits = manifest.get('weights_id')
    model = f"{manifest['name']}@{digits}" if digits else manifest['name']
    engine = manifest['runtime']+(' int8' if manifest['precision']=='int8' else '')
    now = datetime.now(timezone.utc).isoformat(timespec='seconds')
    return [manifest['threshold'], model, engine, now, manifest.get('decision_id') or '']

def main():
    Image.MAX_IMAGE_PIXELS = 32_000_000 # Pillow refuses twice as many
    manifest = read_manifest()
    graph,strange_of = load_graph(manifest),load_notes(manifest)
    sys.stdout.reconfigure(encoding='utf-8', errors='surrogateescape', newline='')
    table = csv.writer(sys.stdout)
    table.writerow(['path','p_defect','decision','note','threshold','model','engine','scored_at','decision_id'])
    origin = trace(manifest)
    for path in sys.argv[1:]: table.writerow(row(graph, manifest, strange_of, path)+origin)

if __name__=='__main__': main()
