"The command of a bundle, which imports nothing of the library"
import csv, hashlib, io, json, os, re, runpy, sys
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PpmImagePlugin import PpmImageFile

USAGE = '''Score pictures: python score.py PICTURE... > scores.csv
Needs numpy, pillow, and the runtime of the manifest. Ends with 3 if a picture has no score.'''
HERE = Path(__file__).resolve().parent

def check(name, data, digest):
    "Stop if a file is not the one that was exported"
    if hashlib.sha256(data).hexdigest()!=digest: sys.exit(f'{name}: differs from what was exported')

def read_manifest():
    "The manifest, once every file of the bundle has been compared with its hash"
    manifest = json.loads((HERE/'manifest.json').read_text(encoding='utf-8'))
    if not isinstance(manifest, dict): raise ValueError('manifest.json holds no names with values')
    files = manifest['files']
    rest = {k:v for k,v in manifest.items() if k!='seal'}
    text = json.dumps(rest, sort_keys=True, separators=(',',':'))
    check('manifest.json', text.encode(), manifest.get('seal'))
    for name,facts in files.items():
        if Path(name).name!=name: sys.exit(f'{name}: differs from what was exported')
        data = (HERE/name).read_bytes()
        check(name, data, facts['sha256'])
    if manifest['graph'] not in files: sys.exit('manifest.json: graph is not one of its files')
    return manifest

def open_onnxruntime(path):
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    def run(inputs): return session.run(None, inputs)[0]
    return run

def open_openvino(path):
    import openvino
    core = openvino.Core()
    net = core.compile_model(path, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    def run(inputs): return net(inputs)[0]
    return run

RUNTIMES = dict(onnxruntime=open_onnxruntime, openvino=open_openvino)

def load_graph(manifest):
    "A function that takes a picture at each side and gives the probability of each member"
    os.environ['ORT_DISABLE_TELEMETRY'] = '1'
    sys.modules['openvino_telemetry'] = None # It scores, and reports to nobody
    return RUNTIMES[manifest['runtime']](HERE/manifest['graph'])

def read_arrays(data):
    "The arrays of a .safetensors file"
    end = 8+int.from_bytes(data[:8], 'little')
    heads = json.loads(data[8:end])
    kinds = dict(F16=np.float16, F32=np.float32, I32=np.int32)
    arrays = {}
    for name,head in heads.items():
        if name=='__metadata__': continue
        first,last = head['data_offsets']
        numbers = np.frombuffer(data[end+first:end+last], kinds[head['dtype']])
        arrays[name] = numbers.reshape(head['shape'])
    return arrays

def load_notes(manifest):
    "A function that says in words what is strange about a picture; nothing of a bundle that does not know its product"
    data,code = HERE/'unlike.safetensors',HERE/'unlike.py'
    if not {data.name,code.name}<=set(manifest['files']):
        print('This bundle does not know what its product looks like: pictures unlike training are not found; '
              'export again', file=sys.stderr)
        return lambda decoded: ''
    unlike = runpy.run_path(str(code)) # Compared with its hash
    arrays = read_arrays(data.read_bytes())
    likeness = unlike['Likeness'](arrays)
    sides = [o['side'] for o in manifest['inputs']]
    fine = likeness.side in sides and arrays['sizes'].shape==(3,2) and np.isfinite(likeness.limit)
    if not fine: raise ValueError(f'{data.name}: of another model')
    def strange_of(decoded):
        return unlike['unlike_notes'](likeness, decoded[likeness.side][None], [decoded['size']])[0]
    strange_of({likeness.side:np.zeros((likeness.side,)*2, np.uint8), 'size':(9,9)}) # What is missing is told once
    return strange_of

class ImageError(ValueError): "Why a file cannot be used as an image"
class UserError(ValueError): "What a person can mend"

# PIXELS: in a bundle the functions of the library stand here, see `score_source`

def _deep_colour(im, content):
    "16-bit colours of a PPM; of another file their high bytes, where Pillow gives them"
    if im.format=='PPM': return _ppm_colour(im, content)
    if im.format=='JPEG2000' or _tag(im, 284)==2: # which Pillow rounds, and scrambles
        raise ValueError(NO_COLOURS)
    return 256*np.asarray(_on_black(im).convert('RGB'), np.uint16)

NO_COLOURS = '16-bit colours: not read here; score it with semicls predict'
MAX_BYTES = 256_000_000

def content_of(path):
    "The bytes of a file; a pipe would wait for ever"
    file = Path(path)
    if not file.is_file(): raise ValueError('no such file' if not file.exists() else 'not a plain file')
    if file.stat().st_size>MAX_BYTES: raise ValueError(f'a file of more than {MAX_BYTES//10**6} MB')
    content = file.read_bytes()
    if not content: raise ValueError('zero bytes')
    return content

def open_picture(path, levels=None):
    "A picture, upright, in 8 bits"
    content = content_of(path)
    with _open(content) as file:
        has_colours = file.format!='PPM' and len(file.getbands())>1
        if levels and has_colours and is_deep(file): raise ValueError(NO_COLOURS)
    return _decode(content, levels or None)

def prepared(im, sides, channels, levels, blank, fit):
    "Pixels at each side; size of the picture, and what may be doubted about it"
    mode = 'L' if channels==1 else 'RGB'
    if channels==1: im = im.convert(mode)
    pixels = {side:np.asarray(as_square(im, side, fit).convert(mode)) for side in sides}
    left,top,right,bottom = inside(im.size, min(sides), fit)
    note = note_of(im, pixels[min(sides)][top:bottom,left:right], levels, blank)
    return pixels | dict(size=im.size, note=note)

def committee(members, manifest):
    "The mean of the members, of their probabilities or of their logits"
    weights = np.array([o['weight'] for o in manifest['members']])
    total = weights.sum()
    if manifest['how']=='prob': return members@weights/total
    members = members.clip(1e-9, 1-1e-9)
    logits = np.log(members/(1-members))
    logit = logits@weights/total
    return 1/(1+np.exp(-logit))

def score(graph, manifest, strange_of, path):
    "Probability of defect of a picture, and what may be doubted"
    rule,sides = manifest.get('pixels'),[o['side'] for o in manifest['inputs']]
    levels,blank = check_rule(rule, 'manifest.json')
    decoded = prepared(open_picture(path, levels), sides, manifest['channels'], levels, blank, fit_of(rule))
    strange,doubt = strange_of(decoded),decoded['note']
    if strange: doubt = doubt.removeprefix('look: ')
    note = '; '.join(filter(None, (strange, doubt)))
    members = graph({f'x{side}':_rgb(decoded[side][None], side) for side in sides})[0].astype(float)
    p = committee(members, manifest)
    if not np.isfinite(p): raise ValueError('the model gave no number')
    return p, note

def check_scores(graph, manifest):
    "Refuse a machine that scores the drawn pictures otherwise than the one that exported"
    batch = {f"x{o['side']}":drawn_pictures(o['side']) for o in manifest['inputs']}
    scores,want = committee(graph(batch).astype(float), manifest),manifest['selftest']
    limit = 1e-3 if manifest['precision']=='float32' else .03
    off = np.abs(scores[:len(want)]-want).max(initial=0.)
    if not off<=limit: # so NaN is none either
        sys.exit(f'{HERE}: scores otherwise on this machine than where it was exported (by {off:.2g}); export it here')

def decide(p, low, high, note=''):
    "pass, look or reject; people look at a picture unlike training, and at a doubtful one before it passes"
    if note.startswith('unlike training'): return 'look'
    if p>=high: return 'reject'
    return 'look' if p>=low or note.startswith('look: ') else 'pass'

def row(graph, manifest, strange_of, path):
    "What the table says about a picture; one that cannot be scored, or is unlike training, has a note"
    try: p,note = score(graph, manifest, strange_of, path)
    except MemoryError: raise
    except UnidentifiedImageError: return [path, '', '', 'no picture of a kind that is read here']
    except Exception as e:
        why = ' '.join(str(e).split())
        return [path, '', '', why or type(e).__name__]
    word = decide(p, *manifest['cuts'], note)
    return [path, f'{p:.9g}', word, note]

def trace(manifest):
    "What every row says of its origin: threshold, model with the digits of its weights, engine, time, decision"
    model,engine = manifest['name'],manifest['runtime']
    digits = manifest.get('weights_id')
    if digits: model = f'{model}@{digits}'
    if manifest['precision']=='int8': engine += ' int8'
    now = datetime.now(timezone.utc).isoformat(timespec='seconds')
    decision = manifest.get('decision_id') or ''
    return [manifest['threshold'], model, engine, now, decision]

FORMULA = re.compile(r"(?<![^;\n\r])(?='*[=+\-@\t\r])") # In front of what a spreadsheet would run, also after a ;

def safe(cell):
    "A cell that no spreadsheet runs"
    return FORMULA.sub("'", cell) if isinstance(cell, str) else cell

COLUMNS = 'path p_defect decision note threshold model engine scored_at decision_id'.split()

def main():
    pictures = sys.argv[1:]
    if not pictures: sys.exit(USAGE)
    if pictures[0] in ('-h','--help'): return print(USAGE)
    if sys.stdout is None: sys.exit('the standard output is closed, and the table would go there')
    Image.MAX_IMAGE_PIXELS = 32_000_000 # Pillow refuses twice as many
    try:
        manifest = read_manifest()
        check_rule(manifest.get('pixels'), 'manifest.json')
        graph,strange_of = load_graph(manifest),load_notes(manifest)
        check_scores(graph, manifest)
        origin = trace(manifest)
    except ImportError as e: sys.exit(f'{e.name}: cannot be imported ({e}); pip install {e.name}')
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        sys.exit(f'{HERE}: is no whole bundle ({type(e).__name__}: {e}); copy the bundle once more')
    sys.stdout.reconfigure(encoding='utf-8', errors='surrogateescape', newline='')
    table = csv.writer(sys.stdout)
    table.writerow(COLUMNS)
    unscored = 0
    for path in pictures:
        found = row(graph, manifest, strange_of, path)
        table.writerow(map(safe, found+origin))
        unscored += not found[1]
    sys.stdout.flush()
    if unscored: sys.exit(3)

def stop(error):
    "End where nobody reads the table any more, or the disk is full; what is left of it goes nowhere"
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(f'the table cannot be written ({error.strerror})')

if __name__=='__main__':
    try: main()
    except OSError as e: stop(e)
