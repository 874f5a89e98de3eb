"""Score pictures: python score.py PICTURE... > scores.csv   Needs numpy, pillow, and the runtime of the manifest.
Ends with 3 if a picture has no score."""
import csv, hashlib, io, json, os, re, runpy, sys
from datetime import datetime, timezone
from pathlib import Path
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PpmImagePlugin import PpmImageFile

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

FORMATS = ('PNG','JPEG','BMP','TIFF','WEBP','JPEG2000','PPM')

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
        return lambda im: ''
    unlike = runpy.run_path(str(code)) # Compared with its hash
    arrays = read_arrays(data.read_bytes())
    likeness = unlike['Likeness'](arrays)
    fit = fit_of(manifest)
    sides = [o['side'] for o in manifest['inputs']]
    fine = likeness.side in sides and arrays['sizes'].shape==(3,2) and np.isfinite(likeness.limit)
    if not fine: raise ValueError(f'{data.name}: of another model')
    def strange_of(im):
        batch = as_square(im, likeness.side, fit)
        return unlike['unlike_notes'](likeness, batch, [im.size])[0]
    strange_of(Image.new('RGB', (9,9))) # What is missing is an error here, not a note of each picture
    return strange_of

def tag_of(im, number, default=None):
    "A tag of a TIFF; else the default"
    value = getattr(im, 'tag_v2', {}).get(number, default)
    return value[0] if isinstance(value, tuple) else value

BITS,WHITE_FIRST,KIND = 258,262,339 # Tags of a TIFF; white first where it is 0; whole, signed or real numbers
PLANES = 284 # 2 where one colour lies after the other, which Pillow scrambles if they have 16 bits

def stored_as(im):
    "How a file holds its pixels, such as 'RGB;16B'"
    return str(im.tile[0].args) if im.tile else ''

def bits_of(im, content):
    "Bits of a channel, 8 or fewer of an ordinary picture"
    if im.format=='TIFF': return tag_of(im, BITS, 1)
    if im.format=='JPEG2000': # Where its code stream begins, three bytes a channel
        size = content.partition(b'\xff\x4f\xff\x51')[2]
        channels = int.from_bytes(size[36:38], 'big')
        return max([(o&127)+1 for o in size[38:38+3*channels:3]], default=8)
    if im.format=='PPM':
        told = im.tile[0].args # A pair with the largest number, where that is not 255
        return 16 if isinstance(told, tuple) and told[1]>255 else 8
    return 16 if ';16' in stored_as(im) and im.format!='BMP' else 8

def undo_of(im, content):
    "A function that undoes that Pillow stretches the numbers of a PGM or a JPEG 2000 to 65,535"
    told = im.tile[0].args if im.format=='PPM' and im.tile else ''
    if isinstance(told, tuple) and told[1]>255:
        return lambda numbers: np.rint(numbers*(told[1]/65535)).astype(numbers.dtype)
    shift = max(16-bits_of(im, content), 0) if im.format=='JPEG2000' else 0
    return lambda numbers: numbers>>shift if shift else numbers

def ppm_colours(im, content):
    "16-bit colours of a PPM, which has the bytes of a gray picture three times as wide"
    start,(_,most) = im.tile[0][2:]
    kind = 'P2' if content.startswith(b'P3') else 'P5'
    head = f'{kind} {3*im.width} {im.height} {most}\n'.encode()
    with PpmImageFile(io.BytesIO(head+content[start:])) as gray:
        numbers = np.asarray(gray).astype(np.uint16)
    return numbers.reshape(im.height, im.width, 3)

def colour_numbers(im, content, levels):
    "The numbers of 16-bit colours where they can be read here; None where Pillow gives their high bytes"
    if bits_of(im, content)<=8: return None
    if im.format=='PPM': return ppm_colours(im, content)
    others = im.format=='JPEG2000' or tag_of(im, PLANES)==2 # which Pillow rounds, and scrambles
    if levels or others: raise ValueError('16-bit colours: not read here; score it with semicls predict')
    return None

def numbers_of(im, content, levels, written=True):
    "The numbers of a picture of more than 8 bits, black the least; None of any other"
    undo = undo_of(im, content) if levels and written else None # without levels they stay as Pillow gives them
    numbers = raw_numbers(im, content, levels)
    return numbers if numbers is None or undo is None else undo(numbers)

def raw_numbers(im, content, levels):
    "These numbers as Pillow gives them"
    stored = stored_as(im)
    signed = im.mode=='L' and tag_of(im, BITS)==8 and tag_of(im, KIND)==2
    if not signed and not im.mode.startswith(('I','F')): return colour_numbers(im, content, levels)
    unsigned = 'I;32' in stored and tag_of(im, KIND, 1)==1
    bits = tag_of(im, BITS, 16)
    numbers = np.asarray(im)
    numbers = numbers.astype(numbers.dtype.newbyteorder('='), copy=False) # TIFF has two orders of bytes
    if signed: numbers = numbers.view(np.int8)
    if unsigned: numbers = numbers.view(np.uint32)
    if tag_of(im, WHITE_FIRST)!=0: return numbers
    if im.mode=='F': return -numbers
    black_first = 2**bits-1-numbers.astype(np.int64)
    if numbers.dtype.kind=='u': return black_first.astype(numbers.dtype)
    return black_first

def to_levels(numbers, levels):
    "8 bits by the levels of the training pictures"
    low,high = levels
    kind = np.float64 if numbers.dtype.itemsize>2 else np.float32
    numbers = np.asarray(numbers, kind)
    gray = (numbers-low)*(255/(high-low))
    gray = np.nan_to_num(gray, nan=0.).clip(0, 255)
    return gray.round().astype(np.uint8)

def lone(numbers):
    "8 bits without levels: sixteen lose their low byte, floats and large integers are stretched"
    if numbers.dtype==np.uint16: return (numbers>>8).astype(np.uint8)
    low,high = 0.,1.
    finite = numbers[np.isfinite(numbers)]
    if finite.size: low,high = float(finite.min()),float(finite.max())
    if numbers.dtype.kind in 'iu' and low>=0 and high<65536:
        if high>255: numbers = numbers//256
        return numbers.astype(np.uint8)
    numbers = np.nan_to_num(numbers.astype(np.float32), nan=low, posinf=high, neginf=low)
    scale = np.float32(255/max(high-low, 1e-9))
    gray = (numbers-low)*scale
    return gray.clip(0, 255).astype(np.uint8)

def on_black(im):
    "A picture in front of black, where it is transparent"
    rgba = im.convert('RGBA')
    if rgba.getchannel('A').getextrema()[0]==255: return im
    mode = 'L' if im.mode in ('1','LA','La','L') else 'RGB'
    return Image.alpha_composite(Image.new('RGBA', im.size, 'black'), rgba).convert(mode)

def doubts_of(numbers, levels):
    "What may be doubted about the numbers of a deep picture"
    finite = np.isfinite(numbers)
    missing = 1-finite.mean()
    if missing>.01: yield f'{missing:.0%} of the pixels are no numbers (NaN, infinite)'
    if levels:
        low,high = levels
        outside = (numbers<low)|(numbers>high)
        far = np.mean(finite & outside)
        if far>.01: yield f'{far:.0%} of the pixels lie outside levels {low:,.6g} to {high:,.6g}'
    if levels==[]: yield 'more than 8 bits, and no such picture was in training'

def blank_share(a):
    "Share of a picture that a band of one value along an edge takes"
    largest = 0
    turned = a.swapaxes(0, 1)
    for side in (a, a[::-1], turned, turned[::-1]):
        value,n = side[0,0],len(side)
        if not (side[0]==value).all(): continue
        lines = (side==value).reshape(n, -1).all(1)
        band = n if lines.all() else int(lines.argmin())
        largest = max(largest, band/n)
    return largest

def in_8_bits(file, content, levels, written=True):
    "An open picture in 8 bits, and what may be doubted about its numbers"
    bits,numbers = bits_of(file, content),numbers_of(file, content, levels, written)
    if numbers is not None:
        gray = to_levels(numbers, levels) if levels else lone(numbers)
        return Image.fromarray(gray), list(doubts_of(numbers, levels))
    doubts = list(doubts_of(np.zeros(1), levels)) if bits>8 and levels==[] else []
    return on_black(file) if file.has_transparency_data else file, doubts

MAX_BYTES,MAX_SCANS,MAX_PIECES = 256_000_000,100,10_000
PIECE = re.compile(rb'\xff([^\x00\x01\xd0-\xd7\xff])') # The beginning of a piece of a JPEG

def check_scans(content):
    "Refuse a JPEG whose scans take hours; what lies behind its end, such as a video, does not count"
    scans,pieces,at = 0,0,2
    while (found := PIECE.search(content, at)) and found[1]!=b'\xd9':
        scans += found[1]==b'\xda'
        pieces += 1
        if scans>MAX_SCANS: raise ValueError(f'a JPEG of more than {MAX_SCANS} scans; save it anew')
        if pieces>MAX_PIECES: raise ValueError(f'a JPEG of more than {MAX_PIECES:,} pieces; save it anew')
        at = found.end()+int.from_bytes(content[found.end():found.end()+2], 'big')

def content_of(path):
    "The bytes of a file; a pipe would wait for ever, and a JPEG of many scans takes hours"
    file = Path(path)
    if not file.is_file(): raise ValueError('no such file' if not file.exists() else 'not a plain file')
    if file.stat().st_size>MAX_BYTES: raise ValueError(f'a file of more than {MAX_BYTES//10**6} MB')
    content = file.read_bytes()
    if not content: raise ValueError('zero bytes')
    if content.startswith(b'\xff\xd8'): check_scans(content)
    return content

def open_picture(path, channels, levels=None, written=True):
    "A picture, upright, in 8 bits and three channels; its `info` has `doubts` and `several` pages"
    content = content_of(path) # by its path, Pillow scrambles a TIFF that was turned
    with Image.open(io.BytesIO(content), formats=FORMATS) as file:
        several = getattr(file, 'is_animated', False)
        im,doubts = in_8_bits(file, content, levels, written)
        turn = file.getexif().get(274)
        if turn and im is not file: im.getexif()[274] = turn # it was made of the file's, and does not know
        im = ImageOps.exif_transpose(im)
    if im.mode=='LAB': im = im.convert('RGB')
    if channels==1: im = im.convert('L')
    im = im.convert('RGB')
    im.info.update(doubts=doubts, several=several)
    return im

def fit_of(manifest):
    "How a picture becomes a square: squeeze, or pad"
    fit = (manifest.get('pixels') or {}).get('resize', 'squeeze') # of an older bundle: none
    if fit not in ('squeeze','pad'): raise ValueError(f'pixels: resize={fit} is not known to this script')
    return fit

def inside(size, side, fit):
    "Where in its square a picture lies: left, top, right, bottom"
    if fit=='squeeze': return 0, 0, side, side
    scale = max(size)
    wide,high = (max(1, round(o*side/scale)) for o in size)
    left = (side-wide)//2
    top = (side-high)//2
    return left, top, left+wide, top+high

def as_square(im, side, fit):
    "A batch of one picture, made a square; a margin has the median of the outermost pixels"
    left,top,right,bottom = inside(im.size, side, fit)
    size = right-left,bottom-top
    if im.size!=size: im = im.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.)
    a = np.asarray(im)
    if size==(side,side): return a[None]
    rim = np.concatenate([a[0], a[-1], a[:,0], a[:,-1]])
    border = np.median(rim, 0).astype(np.uint8)
    square = np.full((side,side,3), border)
    square[top:bottom,left:right] = a
    return square[None]

def doubt_of(im, pixels, blank):
    "What may be doubted about a picture; it begins with look: if a person should look"
    doubts = list(im.info['doubts'])
    share = blank_share(pixels)
    if share>blank: doubts.append(f'{share:.0%} of the picture is one value, as if its end were missing')
    look = 'look: ' if doubts else ''
    if im.info['several']: doubts.append('the first of several pages')
    return look+'; '.join(doubts)

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
    rule = manifest.get('pixels') or dict(levels=None, blank=1.) # of an older bundle: none
    fit = fit_of(manifest)
    written = rule.get('numbers')=='as written' # of an older run: as Pillow stretches them
    im = open_picture(path, manifest['channels'], rule['levels'], written)
    squares = {o['side']:as_square(im, o['side'], fit) for o in manifest['inputs']}
    smallest = min(squares)
    left,top,right,bottom = inside(im.size, smallest, fit)
    pixels = squares[smallest][0,top:bottom,left:right]
    strange = strange_of(im)
    doubt = doubt_of(im, pixels, rule['blank'])
    if strange: doubt = doubt.removeprefix('look: ')
    note = '; '.join(filter(None, (strange, doubt)))
    batch = {f'x{side}':square for side,square in squares.items()}
    members = graph(batch)[0].astype(float)
    p = committee(members, manifest)
    if not np.isfinite(p): raise ValueError('the model gave no number')
    return p, note

def drawn_pictures(side):
    "The four pictures of the self-test, from arithmetic alone"
    picture,row,column,channel = np.ogrid[1:5,0:side,0:side,0:3]
    slope = row*(picture+2)*5 + column*(3*picture+channel)
    waves = row*column*picture//side
    return ((slope+waves+40*picture) % 256).astype(np.uint8)

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
    if not pictures: sys.exit(__doc__)
    if pictures[0] in ('-h','--help'): return print(__doc__)
    if sys.stdout is None: sys.exit('the standard output is closed, and the table would go there')
    Image.MAX_IMAGE_PIXELS = 32_000_000 # Pillow refuses twice as many
    try:
        manifest = read_manifest()
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
