"""Pictures in notebooks in as few colours as nobody sees missing, photographs as JPEG: `python .ci/shrink.py NOTEBOOKS`

A picture that has a palette was made small before, and keeps its colours. One that is smaller as it is stays.
Each table of pandas brings the same style with it, which the page has anyway, and itself as plain text: both go too.
What stays of it has a line a row. The words `<Figure size 640x480>` of a picture go as well."""
import base64, io, re, struct, sys, zlib
import nbformat, numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageStat

FAINT,SPOT = 4,12 # Levels of 255 that may be lost: root of the mean square, and the most through a blur of 3×3 pixels

def is_lost(rgb, few)->bool: # Whether the eye would miss something: it takes errors beside each other together
    few = few.convert('RGB')
    through = [o.filter(ImageFilter.BoxBlur(1)) for o in (rgb,few)]
    most = max(high for _,high in ImageChops.difference(*through).getextrema())
    return max(ImageStat.Stat(ImageChops.difference(rgb, few)).rms)>FAINT or most>SPOT

def fewest(rgb): # In a palette, to which the colour that is missed most is added until nothing is lost
    colours,place,n = np.unique(np.asarray(rgb).reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    weight = n**.75 # so that a small dot keeps its own
    chosen = colours[[n.argmax()]].astype(float)
    def middle(nearest, weight):
        sums = [np.bincount(nearest, weight*o, len(chosen)) for o in (*colours.T, 1)]
        return np.stack(sums[:3], 1)/np.maximum(sums[3], 1e-9)[:,None]
    while True:
        for _ in range(8): chosen = middle(((colours[:,None]-chosen)**2).sum(-1).argmin(1), weight)
        far = ((colours[:,None]-chosen)**2).sum(-1)
        nearest = far.argmin(1)
        few = Image.fromarray(nearest[place].reshape(rgb.size[::-1]).astype(np.uint8))
        few.putpalette(middle(nearest, n).round().astype(np.uint8).tobytes()) # so that white stays white
        if len(chosen)==64 or not is_lost(rgb, few): return few
        chosen = np.vstack([chosen, colours[(far.min(1)*weight).argmax()]])

def chunk(kind, data): return struct.pack('>I', len(data))+kind+data+struct.pack('>I', zlib.crc32(kind+data))

def deflated(data)->bytes: # By the way of zlib that suits these lines best
    ways = [zlib.compressobj(9, zlib.DEFLATED, 15, 9, way) for way in range(4)]
    return min((o.compress(data)+o.flush() for o in ways), key=len)

def packed(few)->bytes: # A PNG without filters, which make pictures of a palette larger, and which Pillow always tries
    at = np.asarray(few)
    n = int(at.max())+1
    bits = next(b for b in (1,2,4,8) if n<=2**b)
    each = np.unpackbits(at[:,:,None], axis=2)[:,:,8-bits:].reshape(len(at), -1)
    rows = np.pad(np.packbits(each, axis=1), ((0,0),(1,0))) # a row begins with its filter, 0
    head = struct.pack('>IIBBBBB', few.width, few.height, bits, 3, 0, 0, 0)
    parts = {b'IHDR':head, b'PLTE':bytes(few.getpalette()[:3*n]), b'IDAT':deflated(rows.tobytes()), b'IEND':b''}
    return b'\x89PNG\r\n\x1a\n'+b''.join(chunk(*o) for o in parts.items())

def shrink(data:bytes)->tuple: # Kind, bytes
    im = Image.open(io.BytesIO(data))
    if im.mode=='P': return 'png',min(data, packed(im), key=len)
    rgb,jpg = im.convert('RGB'),io.BytesIO()
    rgb.save(jpg, 'jpeg', quality=82, optimize=True, progressive=True)
    if len(rgb.getcolors(1<<24))>2**14: few = rgb.quantize(64, dither=Image.Dither.NONE) # a photograph
    else: few = fewest(rgb)
    small = min(data, packed(few), key=len)
    return ('jpeg',jpg.getvalue()) if len(jpg.getvalue())<.6*len(small) else ('png',small)

def pictures(nb):
    for c in nb.cells:
        for o in c.get('outputs', []):
            if 'image/png' in o.get('data', {}): yield o['data']

def drop_twice(nb)->bool: # Whether there was anything
    kinds = {'text/html','image/png','image/jpeg'}
    shown = [o['data'] for c in nb.cells for o in c.get('outputs', []) if kinds & set(o.get('data', {}))]
    before = [dict(o) for o in shown]
    for o in shown:
        o.pop('text/plain', None)
        if 'text/html' not in o: continue
        bare = re.sub(r'<style scoped>.*?</style>\n?', '', o['text/html'], flags=re.S)
        o['text/html'] = re.sub(r'>\n *<(?!tr)', '><', bare)
    return shown!=before

def main(paths):
    for p in paths:
        nb = nbformat.read(p, as_version=4)
        changed = drop_twice(nb)
        for found in pictures(nb):
            old = base64.b64decode(found['image/png'])
            kind,new = shrink(old)
            if new==old: continue
            del found['image/png']
            found[f'image/{kind}'],changed = base64.b64encode(new).decode(),True
        if changed: nbformat.write(nb, p)

if __name__=='__main__': main(sys.argv[1:])
