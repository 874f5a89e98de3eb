"Hostile pictures, links and archives, and what has to be answered about each: data of several test files"
import bz2, gzip, io, lzma, os, pickle, socket, struct, sys, tarfile, zipfile, zlib
from contextlib import contextmanager
from pathlib import Path
import numpy as np
from PIL import Image

NUL = '\0' if sys.version_info>=(3,11) else '␀' # In a CSV that Python 3.10 writes

# ---- pictures

def saved(im, fmt='PNG', **kw):
    "The bytes of a picture file"
    f = io.BytesIO()
    im.save(f, fmt, **kw)
    return f.getvalue()

def png(w=40, h=30, v=90, mode='L'): return saved(Image.new(mode, (w,h), v))

def noise(fmt, n=90, seed=0):
    rng = np.random.default_rng(seed)
    return saved(Image.fromarray(rng.integers(0, 255, (n,n), dtype=np.uint8)), fmt)

def blank(mode, fmt='PNG', side=9, **kw): return saved(Image.new(mode, (side,side)), fmt, **kw)

def three(fmt):
    "Four pictures in one file"
    more = [Image.new('L', (9,9), 9)]*3
    return blank('L', fmt, save_all=True, append_images=more)

def chip(seed=0, size=(66,60), mode='L'):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, size[::-1], np.uint8)).convert(mode)

def chunk(kind, b): return struct.pack('>I', len(b))+kind+b+struct.pack('>I', zlib.crc32(kind+b))

def png_bomb(n):
    "A thousand bytes that promise n x n pixels"
    head = struct.pack('>IIBBBBB', n, n, 8, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', head)+chunk(b'IDAT', zlib.compress(bytes(1000)))+chunk(b'IEND', b'')

def bmp_bomb(w, h):
    info = struct.pack('<IiiHHIIiiII', 40, w, h, 1, 24, 0, 0, 0, 0, 0, 0)
    return b'BM'+struct.pack('<IHHI', 54, 0, 0, 54)+info

def text_bomb():
    "100 MB of text in a small picture"
    b = png()
    return b[:33]+chunk(b'zTXt', b'a\0\0'+zlib.compress(bytes(100_000_000), 9))+b[33:]

def jpeg_scans():
    "A progressive JPEG whose last scan comes a thousand times"
    b = saved(chip(), 'JPEG', progressive=True)
    return b[:-2]+b[b.rindex(b'\xff\xda'):-2]*1000+b[-2:]

def turned():
    "A picture that a camera has turned by a quarter"
    exif = Image.Exif()
    exif[274] = 6
    return exif

def exif_turned():
    im = Image.new('L', (40,30), 90)
    im.paste(200, (0,0,20,30))
    return saved(im, 'JPEG', exif=turned())

def tiff_loop():
    "The directory of a TIFF names itself as the next"
    b = bytearray(saved(Image.new('L', (8,8)), 'TIFF'))
    start = struct.unpack_from('<I', b, 4)[0]
    n = struct.unpack_from('<H', b, start)[0]
    struct.pack_into('<I', b, start+2+12*n, start)
    return bytes(b)

def tiff_far(): return b'II*\0'+struct.pack('<I', 0xfffffff0)
def float_tiff(): return saved(Image.fromarray(np.array([[np.nan,np.inf],[-np.inf,1]], np.float32)), 'TIFF')
def deep_png(): return saved(Image.fromarray(np.full((9,9), 30_000, np.uint16)))

# ---- archives

def zipped(members, method=zipfile.ZIP_DEFLATED):
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w', method) as z:
        for name,data in members: z.writestr(name, data)
    return f.getvalue()

def zipped_pngs(*names): return zipped([(n, png()) for n in names])

def zip_link():
    o = zipfile.ZipInfo('l.png')
    o.external_attr = 0o120777<<16
    return zipped([(o, '../../secret/s.png')])

def zip_encrypted():
    b = bytearray(zipped_pngs('a.png'))
    b[6] |= 1
    b[b.index(b'PK\1\2')+8] |= 1
    return bytes(b)

def zip_lies(size):
    "The header promises another size than there is"
    b = bytearray(zipped([('a.bmp', bytes(5_000_000))]))
    struct.pack_into('<I', b, b.index(b'PK\1\2')+24, size)
    return bytes(b)

def zip_ratio(): return zipped([(f'{i}.bmp', bytes(1_000_000)) for i in range(20)])
def zip_in_zip(): return zipped([('b.zip', zipped_pngs('c.png')), ('t.tar.gz', b'')])
def zip_damaged(method): return zipped([('a.png', png())], method).replace(b'IHDR', b'JHDR')

def tarred(members, mode='w'):
    "An archive of (name, bytes, kind) or (name, bytes, kind, headers); links lead to the secret"
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode=mode) as t:
        for name,data,kind,*pax in members:
            o = tarfile.TarInfo(name)
            o.type,o.size,o.linkname = kind,len(data),'../../secret/s.png'
            o.pax_headers = pax[0] if pax else {}
            t.addfile(o, io.BytesIO(data))
    return f.getvalue()

def tarred_pngs(*names): return tarred([(n, png(), b'0') for n in names])

def tar_links():
    kinds = {'s.png':b'2', 'h.png':b'1', 'd.png':b'3', 'f.png':b'6'}
    return tarred([*((n, b'', k) for n,k in kinds.items()), ('ok.png', png(), b'0')])

def tar_negative():
    "A size below zero points back at the header: `tarfile` alone goes round for ever"
    b = bytearray(tarred([('ok.png', png(), b'0'), ('a.png', b'', b'0')]))
    b[1024+124:1024+136] = b'\xff'*10+struct.pack('>h', -512)
    b[1024+148:1024+156] = b' '*8
    b[1024+148:1024+156] = b'%06o\0 ' % sum(b[1024:1536])
    return bytes(b)

def tar_damaged():
    b = bytearray(tarred_pngs('0.png', '1.png', '2.png'))
    b[1024:1040] = b'x'*16
    return bytes(b)

def tar_pax_bomb():
    "A header of 400 MB in 400 kB"
    o = tarfile.TarInfo('x')
    o.type,o.size = b'x',400<<20
    return gzip.compress(o.tobuf()+bytes(400<<20), 1)

def tar_bomb(): return tarred([('a.bmp', bytes(30_000_000), b'0'), ('b.png', png(), b'0')], 'w:gz')

def tar_cut():
    whole = tarred([('a.png', noise('PNG'), b'0'), ('b.png', noise('PNG', seed=1), b'0')], 'w:gz')
    return whole[:9000]

# ---- what is made in the folder `in`, beside the folder `secret`

def path_in(folder, name): return Path(os.fsdecode(os.path.join(os.fsencode(folder/'in'), os.fsencode(name))))

def write(name, data):
    "Make a file; `data` are bytes, or a function that makes them"
    def make(folder):
        p = path_in(folder, name)
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_bytes(data() if callable(data) else data)
    return make

def link(name, to): return lambda d: os.symlink(str(to).replace('SECRET', str(d/'secret')), d/'in'/name)
def fifo(name): return lambda d: os.mkfifo(d/'in'/name)
def folder(name): return lambda d: (d/'in'/name).mkdir(parents=True)
def all_of(*makes): return lambda d: [make(d) for make in makes]
def nothing(d): pass

def sock(d):
    s,here = socket.socket(socket.AF_UNIX),os.getcwd()
    os.chdir(d/'in')
    try: s.bind('s.png')
    finally:
        os.chdir(here)
        s.close()

def sibling(d):
    "A folder whose name begins with the one that is asked for"
    (d/'in2').mkdir()
    (d/'in2/s.png').write_bytes(png())
    link('l.png', '../in2/s.png')(d)

# ---- the cases: what is made, what is asked for, and the answer

OK,SOME = '',' *' # scored; any note
NOT_IMAGE,CUT,LIMIT = 'not an image','cannot be decoded','limit'
NEITHER,LEADS_OUT,UNREADABLE = 'neither a file nor a folder','leads out','not readable as an archive'
A = write('a.png', png())
CASES = {} # name → (make, ask, {the end of a path: part of its note} or an error's text)

def case(name, make, want, ask='in'): CASES[name] = (make, ask, want)
def one(name, file, data, note): case(name, write(file, data), {file:note})
def at(name, make, file, note): case(name, make, {file:note}, f'in/{file}')

def packed(name, file, data, want):
    "An archive asked for by its name; `want` names members, and '' the archive itself"
    if isinstance(want, dict): want = {f'{file}/{k}' if k else file:v for k,v in want.items()}
    case(name, write(file, data), want, f'in/{file}')

def listed(name, file, data, want): case(name, write(file, data), want, f'in/{file}')

one('zero', 'z.png', b'', 'zero bytes')
one('cut_png', 'c.png', noise('PNG')[:3000], CUT)
one('cut_jpg', 'c.jpg', noise('JPEG')[:200], CUT)
one('jpeg_scans', 's.jpg', jpeg_scans, 'more than 100 scans')
one('cut_bmp', 'c.bmp', noise('BMP')[:2000], CUT)
one('cut_tif', 'c.tif', noise('TIFF')[:400], SOME)
one('bmp_bomb', 'b.bmp', bmp_bomb(50_000, 50_000), LIMIT)
one('png_bomb', 'b.png', png_bomb(50_000), LIMIT)
one('png_promise', 'b.png', png_bomb(7_000), CUT)
one('big_but_allowed', 'b.png', lambda: png(7000, 7000, 0), OK)
one('bmp_no_height', 'b.bmp', bmp_bomb(10, 0), SOME)
one('bmp_negative', 'b.bmp', bmp_bomb(-5, -5), SOME)
one('text_bomb', 't.png', text_bomb, CUT)
one('svg', 'x.png', b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', NOT_IMAGE)
one('html', 'x.png', b'<html><script>alert(1)</script>', NOT_IMAGE)
one('gif', 'x.png', blank('L', 'GIF', 5), NOT_IMAGE)
one('pickled', 'x.png', pickle.dumps(print), NOT_IMAGE)
one('zip_called_png', 'x.png', zipped_pngs('a.png'), NOT_IMAGE)
one('eps', 'x.jpg', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', NOT_IMAGE)
one('tiff_circle', 'x.tif', tiff_loop, OK)
one('tiff_nowhere', 'x.tif', tiff_far, SOME)
one('deep', 'x.png', deep_png, OK)
one('floats', 'x.tif', float_tiff, SOME)
one('cmyk', 'x.jpg', blank('CMYK', 'JPEG'), OK)
one('lab', 'x.tif', blank('LAB', 'TIFF'), OK)
one('transparent', 'x.png', blank('RGBA'), 'its alpha channel hides all of it')
one('bilevel', 'x.png', blank('1'), OK)
one('animated', 'x.png', three('PNG'), 'the first of several pages')
one('pages', 'x.tif', three('TIFF'), 'the first of several pages')
one('turned', 'x.jpg', exif_turned, OK)
one('one_pixel', 'x.png', png(1, 1), OK)
one('thread', 'x.png', png(1, 9000), OK)
one('tail', 'x.png', png()+b'rubbish'*999, OK)

case('pipe', fifo('p.png'), {'p.png':NEITHER})
at('pipe_named', fifo('p.png'), 'p.png', NEITHER)
at('pipe_list', fifo('p.txt'), 'p.txt', NEITHER)
at('pipe_zip', fifo('p.zip'), 'p.zip', NEITHER)
case('socket', sock, {'s.png':NEITHER})
case('device', nothing, {'zero':NEITHER}, '/dev/zero')
case('device_link', link('z.png', '/dev/zero'), {'z.png':LEADS_OUT})
case('folder', folder('f.png'), {'f.png':'directory'})
case('link_out', link('l.png', 'SECRET/s.png'), {'l.png':LEADS_OUT})
case('link_up', link('l.png', '../secret/s.png'), {'l.png':LEADS_OUT})
case('link_folder_out', link('more', 'SECRET'), {'more':LEADS_OUT})
case('link_to_link', all_of(link('a', '../secret'), link('l.png', 'a/s.png')), {'a':LEADS_OUT, 'l.png':LEADS_OUT})
case('link_round', link('l.png', 'l.png'), {'l.png':SOME})
case('link_dangling', link('l.png', 'gone'), {'l.png':'dangling'})
case('link_inside', all_of(A, link('l.png', 'a.png'), link('round', '.')), {'a.png':OK, 'l.png':OK})
case('sibling_prefix', sibling, {'l.png':LEADS_OUT})

FORMULAS = [f'{c}cmd|x.png' for c in "=+-@'"]
one('newline', 'a\nb.png', png(), OK)
one('quotes', 'a"b\',.png', png(), OK)
one('tab_and_return', '\ta\r.png', png(), OK)
case('formulas', all_of(*(write(n, png()) for n in FORMULAS)), {n:OK for n in FORMULAS})
one('option', '--help.png', png(), OK)
case('no_unicode', write(b'\xff\xfe\x80.png', png()), {os.fsdecode(b'\xff\xfe\x80.png'):OK})
one('right_to_left', '\u202egnp.png', png(), OK)
one('escapes', '\x1b[2J\x07.png', b'', 'zero bytes')
one('long_name', 'n'*251+'.png', png(), OK)
case('too_long', nothing, 'no such file', 'n'*300+'.png')
at('brackets', write('[a]*?.png', png()), '[a]*?.png', OK)
DOTS = ('a.png','a.bmp','a.png.png')
case('dots', all_of(*(write(n, png()) for n in DOTS)), {n:OK for n in DOTS})

packed('zip_up', 'a.zip', zipped_pngs('../up.png', 'a/../../up.png', 'ok.png'),
       {'../up.png':LEADS_OUT, 'a/../../up.png':LEADS_OUT, 'ok.png':OK})
packed('zip_absolute', 'a.zip', zipped_pngs('/etc/x.png', 'C:/x.png', '..\\x.png'),
       {'/etc/x.png':LEADS_OUT, 'C:/x.png':LEADS_OUT, '..\\x.png':LEADS_OUT})
packed('zip_link', 'a.zip', zip_link, {'l.png':'a link'})
packed('zip_encrypted', 'a.zip', zip_encrypted, {'a.png':'encrypted'})
packed('zip_bzip2', 'a.zip', zipped([('a.bmp', bytes(9**6))], zipfile.ZIP_BZIP2), {'a.bmp':'packed by method 12'})
packed('zip_lzma', 'a.zip', zipped([('a.bmp', bytes(9**6))], zipfile.ZIP_LZMA), {'a.bmp':'packed by method 14'})
packed('zip_says_less', 'a.zip', lambda: zip_lies(100), {'a.bmp':SOME})
packed('zip_says_more', 'a.zip', lambda: zip_lies(2**32-2), {'a.bmp':'over the limit'})
packed('zip_ratio', 'a.zip', zip_ratio, {'0.bmp':NOT_IMAGE, '19.bmp':'unpacks to more'})
packed('zip_in_zip', 'a.zip', zip_in_zip, {'b.zip':'archive in an archive', 't.tar.gz':'archive in an archive'})
packed('zip_twice', 'a.zip', zipped([('a.png', png()), ('a.png', png(v=9))]), {'a.png':'several members'})
packed('zip_cut', 'a.zip', zipped_pngs('a.png')[:-30], {'':UNREADABLE})
packed('zip_damaged', 'a.zip', lambda: zip_damaged(zipfile.ZIP_DEFLATED), {'a.png':OK})
packed('zip_crc', 'a.zip', lambda: zip_damaged(zipfile.ZIP_STORED), {'a.png':'cannot be read from the archive'})
ODD = ('=1+1.png','a\nb.png','芯.png')
packed('zip_odd_names', 'a.zip', zipped_pngs(*ODD), {n:OK for n in ODD})
packed('zip_empty', 'a.zip', zipped([]), 'no images in this archive')
packed('zip_is_tar', 'a.zip', tarred_pngs('a.png'), {'':UNREADABLE})
case('zip_is_folder', write('a.zip/a.png', png()), {'a.zip/a.png':OK}, 'in/a.zip')

packed('tar_links', 'a.tar', tar_links(),
       {'s.png':'a link', 'h.png':'a link', 'd.png':'a device', 'f.png':'a device', 'ok.png':OK})
packed('tar_up', 'a.tar', tarred_pngs('../up.png', '/abs.png'), {'../up.png':LEADS_OUT, '/abs.png':LEADS_OUT})
packed('tar_back', 'a.tar', tar_negative, {'ok.png':OK, '':'a size below zero'})
packed('tar_damaged', 'a.tar', tar_damaged, {'0.png':OK, '':'to its end'})
packed('tar_no_end', 'a.tar', tarred_pngs('a.png')[:1024], {'a.png':OK, '':'to its end'})
packed('tar_header_bomb', 'a.tgz', tar_pax_bomb, {'':UNREADABLE})
packed('tar_bomb', 'a.tgz', tar_bomb, {'a.bmp':'unpacks to more', '':'not readable as an archive to its end'})
packed('tar_cut', 'a.tar.gz', tar_cut, {'a.png':OK, '':'to its end'})
packed('tar_xz', 'a.tar.xz', lambda: lzma.compress(tarred_pngs('a.png')), {'a.png':OK})
packed('tar_bz2', 'a.tbz2', lambda: bz2.compress(tarred_pngs('a.png')), {'a.png':OK})
packed('tar_rubbish', 'a.tar.bz2', b'BZh9'+noise('BMP')[99:198], {'':UNREADABLE})
packed('tar_zero_byte', 'a.tar', lambda: tarred([('x', png(), b'0', {'path':'a\0b.png'})]), {f'a{NUL}b.png':OK})

listed('list_missing', 'l.txt', b'gone.png\n../nowhere/x.png\nhttp://localhost/x.png\n',
       {'gone.png':'no such file', 'x.png':'no such file'})
listed('list_system', 'l.txt', b'/dev/zero\n/proc/self/environ\n/etc\n',
       {'/dev/zero':'neither a file', 'environ':'not an image', '/etc':'directory'})
listed('list_of_itself', 'l.txt', b'l.txt\n', {'l.txt':NOT_IMAGE})
listed('list_bytes', 'l.txt', b'\xff\xfe\0\x01.png\n', {os.fsdecode(b'\xff\xfe\0\x01.png').replace('\0', NUL):SOME})
listed('list_long', 'l.txt', b'x'*100_000+b'.png\n', {'x.png':SOME})
case('list_windows', all_of(A, write('l.txt', b'\xef\xbb\xbfa.png\r\n\r\na.png\r\n')), {'a.png':OK}, 'in/l.txt')
listed('list_empty', 'l.txt', b'\n\n', 'no paths in this list')
case('csv_formula', all_of(write('=1.png', png()), write('l.csv', b"id,path\n1,'=1.png\n")), {'=1.png':OK}, 'in/l.csv')
listed('csv_no_path', 'l.csv', b'a,b\n1,2\n', "no column 'path'")
listed('csv_rubbish', 'l.csv', b'path\n"a.png\n\0\n', {} if NUL=='\0' else 'not readable as a list')
listed('csv_huge', 'l.csv', b'path\n"'+b'x'*200_000+b'"\n', 'not readable as a list')
case('nowhere', nothing, 'no such file', 'in/nowhere')
case('no_match', nothing, 'no such file', 'in/*.png')
case('nothing', nothing, 'no images in this folder')

# ---- what a visitor of the station drops

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'

def refused_files():
    "name → (bytes, part of the answer)"
    film = dict(save_all=True, append_images=[chip(1), chip(2)])
    return {'cut.png': (saved(chip())[:-60], CUT), 'bomb.bmp': (bmp_bomb(50_000, 50_000), 'pixels'),
            'x.svg': (SVG, NOT_IMAGE), 'page.png': (b'<html><script>alert(1)</script>', NOT_IMAGE),
            'one.png': (saved(chip().crop((0,0,1,1))), '1 x 1 pixels'), 'empty.png': (b'', 'zero bytes'),
            'film.png': (saved(chip(), **film), 'several pictures'), 'scans.jpg': (jpeg_scans(), 'more than 100 scans'),
            'film.gif': (saved(chip(), 'GIF', **film), NOT_IMAGE),
            'big.bmp': (b'BM'+bytes(3_000_000), 'over the limit of 2 MB'), 'zip.png': (b'PK\3\4'+bytes(50), NOT_IMAGE)}

def taken_files():
    "name → bytes; only the names are hostile, or the picture is of a rare kind"
    deep = Image.fromarray(np.arange(60*66, dtype=np.uint16).reshape(60,66)*16)
    return {'deep.png': saved(deep), 'cmyk.jpg': saved(chip(mode='RGB').convert('CMYK'), 'JPEG'),
            'turned.jpg': saved(chip(3), 'JPEG', exif=turned()), 'named.exe': saved(chip(4)),
            '../../../../../../tmp/evil.png': saved(chip(5)),
            'new\nline"\'<img src=x onerror=alert(1)>.png': saved(chip(6)), '=cmd().png': saved(chip(7)),
            'C:\\windows\\x.png': saved(chip(8)), '.': saved(chip(9)), 'n'*300+'.png': saved(chip(10)),
            'alpha.png': saved(chip(mode='RGB').convert('RGBA'))}

# ---- which files are opened

_opened,_watching = [],[]

def _hook(event, args):
    if event=='open' and _watching: _opened.append(args)

sys.addaudithook(_hook)

@contextmanager
def watched():
    "The list of (path, flags) of all that is opened meanwhile"
    seen = []
    _opened.clear()
    _watching.append(1)
    try: yield seen
    finally:
        _watching.clear()
        named = [(p, flags) for p,_,flags in _opened if isinstance(p, (str,bytes,os.PathLike))]
        seen += [(os.path.abspath(os.fsdecode(p)), flags) for p,flags in named]

# ---- pictures that are changed at random, or promise what they do not hold

WRITES = os.O_WRONLY|os.O_RDWR|os.O_CREAT
SHARES = dict(early=.1, quarter=.25, half=.5, late=.9)

def noisy(mode='L', side=64, seed=0):
    "A picture that no packing makes small"
    rng = np.random.default_rng(seed)
    if mode=='I;16': return Image.fromarray(rng.integers(0, 60_000, (side,side), dtype=np.uint16))
    if mode=='F': return Image.fromarray(rng.normal(0, 9, (side,side)).astype(np.float32))
    return Image.fromarray(rng.integers(0, 255, (side,side,3), dtype=np.uint8)).convert(mode)

PACKED = dict(png=('L','PNG',{}), png16=('I;16','PNG',{}), palette=('P','PNG',{}), jpg=('RGB','JPEG',{}),
    bmp=('L','BMP',{}),
    cmyk=('CMYK','JPEG',{}), tif=('L','TIFF',{}), lzw=('RGB','TIFF',dict(compression='tiff_lzw')),
    float=('F','TIFF',{}),
    webp=('RGB','WEBP',{}), ppm=('RGB','PPM',{}), jp2=('L','JPEG2000',{}))

def whole(kind):
    mode,fmt,more = PACKED[kind]
    return saved(noisy(mode), fmt, **more)

def cut(data, share): return data[:int(len(data)*share)]

def flipped(data, seed, n=12):
    "A dozen bits turned, most of them near the beginning, where the headers are"
    rng,b = np.random.default_rng(seed),bytearray(data)
    for i in rng.integers(0, len(b), n)//rng.choice([1,1,20], n): b[i] ^= 1<<int(rng.integers(8))
    return bytes(b)

CHANGED_PICTURES = {f'{kind} {where}':(lambda kind=kind, share=share: cut(whole(kind), share))
                    for kind in PACKED for where,share in SHARES.items()}
CHANGED_PICTURES |= {f'{kind} flip {seed}':(lambda kind=kind, seed=seed: flipped(whole(kind), seed))
                     for kind in PACKED for seed in range(6)}

def png_of(w=8, h=8, depth=8, colour=0, packing=0, filtering=0, interlace=0, data=None, more=b''):
    "A PNG whose header may say anything"
    head = struct.pack('>IIBBBBB', w, h, depth, colour, packing, filtering, interlace)
    body = zlib.compress(bytes(200) if data is None else data)
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', head)+more+chunk(b'IDAT', body)+chunk(b'IEND', b'')

def tiff_of(**tags):
    "A TIFF of 8 x 8 pixels in which some numbers are others"
    numbers = dict(width=256, height=257, bits=258, packing=259, photometric=262, strip=273, samples=277, rows=278,
    counts=279)
    b = bytearray(saved(Image.new('L', (8,8)), 'TIFF'))
    start = struct.unpack_from('<I', b, 4)[0]
    for i in range(struct.unpack_from('<H', b, start)[0]):
        at = start+2+12*i
        for name,value in tags.items():
            if struct.unpack_from('<H', b, at)[0]==numbers[name]: struct.pack_into('<HII', b, at+2, 4, 1, value)
    return bytes(b)

def jpeg_of(w, h):
    b = bytearray(saved(Image.new('L', (8,8)), 'JPEG'))
    struct.pack_into('>HH', b, b.index(b'\xff\xc0')+5, h, w)
    return bytes(b)

def many_chunks(): return png_of(more=chunk(b'tEXt', b'a\0b')*100_000)
def profile_bomb(): return png_of(more=chunk(b'iCCP', b'a\0\0'+zlib.compress(bytes(200_000_000), 9)))
def many_frames(): return saved(Image.new('L', (4,4)), 'PNG', save_all=True, append_images=[chip(i,
    (4,4)) for i in range(300)])

ANY,EITHER = 'cannot be decoded',...
ODD_PICTURES = dict( # what makes it, and part of the refusal; None: it is a picture; EITHER: Pillow may differ
    png_width_0=(lambda: png_of(w=0), ''), png_height_0=(lambda: png_of(h=0), ''), png_depth_3=(lambda: png_of(depth=3),
    ''),
    png_colour_9=(lambda: png_of(colour=9), ''), png_interlace_7=(lambda: png_of(interlace=7, data=bytes(8)), ''),
    png_no_palette=(lambda: png_of(colour=3), ''), png_wide=(lambda: png_of(w=2**31-1, h=1), 'limit'),
    png_tall=(lambda: png_of(w=1, h=2**31-1), 'limit'), png_square=(lambda: png_of(w=65_535, h=65_535), 'limit'),
    png_no_data=(lambda: png_of(data=b''), ANY), png_much_data=(lambda: png_of(data=bytes(50_000_000)), None),
    png_chunks=(many_chunks, None), png_profile=(profile_bomb, ''), png_frames=(many_frames, None),
    jpg_huge=(lambda: jpeg_of(65_000, 65_000), 'limit'), jpg_0=(lambda: jpeg_of(0, 0), ''),
    jpg_head=(lambda: b'\xff\xd8\xff', ''),
    jpg_zeros=(lambda: b'\xff\xd8'+bytes(99_999), ''), tif_huge=(lambda: tiff_of(width=60_000, height=60_000), 'limit'),
    tif_0=(lambda: tiff_of(width=0), ''), tif_samples=(lambda: tiff_of(samples=60_000), EITHER),
    tif_bits=(lambda: tiff_of(bits=63), ''), tif_packing=(lambda: tiff_of(packing=99), ''),
    tif_strip=(lambda: tiff_of(strip=2**32-1), ''), tif_counts=(lambda: tiff_of(counts=2**32-1), EITHER),
    bmp_huge=(lambda: bmp_bomb(2**30, 2**30), 'limit'), ppm_huge=(lambda: b'P6 99999 99999 255\n', 'limit'),
    ppm_words=(lambda: b'P6 a b c\n', ''), ppm_long=(lambda: b'P6 '+b'1'*10_000, ''),
    ppm_minus=(lambda: b'P6 -1 -1 255\n', ''),
    riff=(lambda: b'RIFF\xff\xff\xff\xffWEBPVP8L'+bytes(40), ''), nul=(lambda: bytes(10_000), 'not an image'),
    text=(lambda: b'hello', 'not an image'), pdf=(lambda: b'%PDF-1.7\n', 'not an image'),
    elf=(lambda: b'\x7fELF'+bytes(99), 'not an image'))

# ---- tables

TWO = 'path,label\n0.png,good\n1.png,defect\n'
ENCODINGS = dict(utf8='utf-8', bom='utf-8-sig', utf16='utf-16', utf32='utf-32', latin='latin-1', cp1252='cp1252',
    sjis='cp932',
    gb='gb18030', koi8='koi8-r', utf16le='utf-16-le', utf16be='utf-16-be', utf7='utf-7', cp437='cp437', mac='mac-roman')
SURE = {'utf8','bom','utf16','latin','cp1252','sjis','gb','koi8','cp437','mac','utf7'} # ASCII in them is ASCII
SAME_TABLE = {f'encoding {name}':(TWO.encode(code), name not in SURE) for name,code in ENCODINGS.items()}
SAME_TABLE |= {f'separator {sep!r}':(TWO.replace(',', sep).encode(), sep in '|: ') for sep in ',;\t|: '}
SAME_TABLE |= {f'words {a} {b}':(f'path,label\n0.png,{a}\n1.png,{b}\n'.encode(), False) for a,b in (
    ('OK','NG'), ('0','1'),
    ('0.0','1.0'), ('"good"','"defect"'), ('Pass','FAIL'), ('gut','Schlecht'), ('良品','不良品'),
    ('normal','anomaly'), (' good ',' defect '), ('i.O.','n.i.O.'), ('no_defect','defective'))}
SAME_TABLE |= {f'lines {name}':(text.encode(), False) for name,text in dict(
    windows=TWO.replace('\n', '\r\n'), mac=TWO.replace('\n', '\r'), no_end=TWO.rstrip(), blank=TWO.replace('\n',
    '\n\n'),
    more='\n\n'+TWO, dots=TWO.replace('0.png', './0.png'), back=TWO.replace('0.png', '.\\0.png'),
    quoted='"path","label"\n"0.png","good"\n"1.png","defect"\n', twice=TWO+'0.png,good\n', upper=TWO.replace('path',
    'PATH'),
    image=TWO.replace('path', 'Image'), comma='path,label,\n0.png,good,\n1.png,defect,\n').items()}

def table(text): return lambda folder: text.encode('utf-8', 'surrogateescape') if isinstance(text, str) else text

def with_pipe(folder):
    os.mkfifo(folder/'p.png')
    return b'path,label,x_1,y_1,x_2,y_2\np.png,ng,1,1,5,5\n0.png,ok,,,,\n'

def with_link(folder):
    (folder/'l.png').symlink_to('/dev/zero')
    return b'path,label,x_1,y_1,x_2,y_2\nl.png,ng,1,1,5,5\n0.png,ok,,,,\n'

ODD_TABLES = {name:(table(text), want) for name,(text,want) in {
    'empty':('', ''), 'nul':(bytes(3000), ''), 'one nul':('path,label\n0\0.png,good\n', ''), 'header':('path,label\n',
    ''),
    'no header':('0.png,good\n1.png,defect\n', "no column 'path'"), 'blank':('\n\n \n', ''),
    'quote':('path,label\n"0.png,good\n', ''),
    'word':('path,label\n0.png,maybe\n', "'maybe'"), 'set':('path,label,split\n0.png,ok,holdout\n', "'holdout'"),
    'two labels':('path,label,Label\n0.png,ok,ng\n', ''), 'same column':('path,label,label\n0.png,ok,ng\n', ''),
    'two paths':('image,file,label\n0.png,1.png,ok\n', 'rename one'), 'too many cells':('path,label\n0.png,ok,1,2,3\n',
    ''),
    'too few':('path,label\n0.png\n', ''), 'binary':(bytes(range(256))*20, ''), 'png':(png(), ''),
    'zip':(zipped_pngs('a.png'), ''),
    'json':('{"path": "0.png"}', ''), 'html':('<html><table><tr><td>path', ''), 'xlsx':(b'PK\3\4'+bytes(99), ''),
    'megabyte line':('path,label\n'+'x'*2_000_000+',ok\n', ''),
    'megabyte head':('path,label,'+'x'*2_000_000+'\n0.png,ok,\n', ''),
    'thousand columns':(','.join(['path','label',*map(str, range(5000))])+'\n0.png,ok'+','*5000+'\n', ''),
    'ten thousand rows':('path,label\n'+''.join(f'{i}.png,ok\n' for i in range(10_000)), ''),
    'up':('path,label\n../../../etc/passwd,ok\n', ''), 'device':('path,label\n/dev/zero,ok\n/dev/stdin,ng\n', ''),
    'folder':('path,label\n.,ok\n', ''), 'itself':('path,label\nt.csv,ok\n', ''),
    'address':('path,label\nhttp://127.0.0.1/a.png,ok\n', ''),
    'long name':('path,label\n'+'n'*5000+'.png,ok\n', ''), 'newline':('path,label\n"0\n.png",ok\n', ''),
    'bell':('path,label\n0\a\x1b[2J.png,b\x1bad\n', ''),
    'bytes':(b'path,label\n\xff\xfe\x80.png,ok\n', ''), 'surrogate':('path,label\n\udcff.png,ok\n', ''),
    'formula':("path,label\n'=cmd|' /C calc'!A0,ok\n", ''), 'formula column':('path,label,=1+1\n0.png,ok,=2\n', ''),
    'no path':('path,label\n,ok\n', 'no rows with a path'), 'no label column':('path,x\n0.png,1\n',
    "no column 'label'"),
    'nul name':('path,label\n0.png,ok\n0_mask\0.png,ok\n0_mask.png,ok\n', ''),
    'line in a name':('path,label\n"a\n/0.png",ng\n"b\n.png",ok\n"b\n.png",ng\n', ''),
    'one id':('path,label,id\n0.png,ok,7\n1.png,ng,7\n', 'one id, one file'),
    'two sets':('path,label,split\n0.png,ok,train\n0.png,ok,test\n', 'one file, one set'),
    'columns of ours':('path,label,hash,width,note,kind\n0.png,ok,a,b,c,d\n', ''),
    'dunder':('path,label,__class__\n0.png,ok,x\n', ''),
    'index':('path,label,Index,index\n0.png,ok,1,2\n', ''), 'mask missing':('path,label,mask\n0.png,ng,gone.png\n', ''),
    'mask itself':('path,label,mask\n0.png,ng,0.png\n', ''), 'mask device':('path,label,mask\n0.png,ng,/dev/zero\n',
    ''),
    'studio':('image,label,annotation_id,lead_time\n0.png,[,1,1\n', 't.csv'),
    'studio bare':('image,annotation_id,lead_time\n0.png,1,1\n', ''),
    'boxes open':('path,label,boxes\n0.png,ng,[\n', ''), 'boxes word':('path,label,boxes\n0.png,ng,word\n', ''),
    'boxes three':('path,label,boxes\n0.png,ng,"[[1,2,3]]"\n', ''),
    'boxes names':('path,label,boxes\n0.png,ng,"{""a"":1}"\n', ''),
    'boxes deep':('path,label,boxes\n0.png,ng,'+'['*100_000+'\n', ''),
    'boxes far':('path,label,boxes\n0.png,ng,"[[1e999,0,1,1]]"\n', ''),
    'boxes text':('path,label,boxes\n0.png,ng,"[[""a"",0,1,1]]"\n', ''),
    'boxes turned':('path,label,boxes\n0.png,ng,"[[9,9,1,1]]"\n', ''),
    }.items()} | {'pipe':(with_pipe, ''), 'link':(with_link, '')}
BOX_CELLS = ['nan', 'inf', '-inf', '1e400', '-5', '0x10', '1;5', '18446744073709551616', '', 'word', '1e3', '0.5',
    '=1+1', '²', '1_0', '١', 'true', '999999']

# ---- archives that are changed at random

def some_zip(): return zipped([(f'{i}.png', noise('PNG', 30, i)) for i in range(4)])
def some_tar(mode='w'): return tarred([(f'{i}.png', noise('PNG', 30, i), b'0') for i in range(4)], mode)
SOME_ARCHIVES = {'a.zip':some_zip, 'a.tar':some_tar, 'a.tgz':lambda: some_tar('w:gz'),
    'a.tar.xz':lambda: some_tar('w:xz'),
    'a.tbz2':lambda: some_tar('w:bz2')}
CHANGED_ARCHIVES = {f'{name} {where}':(lambda make=make, share=share: cut(make(), share))
                    for name,make in SOME_ARCHIVES.items() for where,share in SHARES.items()}
CHANGED_ARCHIVES |= {f'{name} flip {seed}':(lambda make=make, seed=seed: flipped(make(), seed))
                     for name,make in SOME_ARCHIVES.items() for seed in range(7)}

# ---- runs of strangers

ODD_VALUES = [None, [], {}, 'x', -1, 1e308, True, '\x1b[2J\n', '../../etc', {'a':{'b':[1]}}, 'x'*100_000]
RUN_FIELDS = '''status recipe files summary source command fingerprint kind how started seed size folds pictures
    channels
    stats pixels weights members versions baseline'''.split()
ODD_RUNS = [(field,value) for i,field in enumerate(RUN_FIELDS) for value in ODD_VALUES[i%2::2]]
ODD_DECISIONS = ['', '{', '[]', '7', '{}', '{"threshold": 7}', '{"threshold": "0.5"}', '{"threshold": NaN}',
    '{"threshold": true}',
    '{"threshold": -0.1}', '{"threshold": [0.5]}', '{"review": {"lo": 0.9, "hi": 0.1}}', '{"review": 7}', '['*100_000,
    '\0']
HEAD = 'id,path,label,p_defect\n'
ODD_SCORES = {name:text if isinstance(text, bytes) else text.encode() for name,text in dict(
    empty='', nul=bytes(99), no_label='id,path,p_defect\na,a,0.5\n', no_score='id,path,label\na,a,good\n',
    nan=HEAD+'a,a,good,nan\nb,b,defect,0.5\n', inf=HEAD+'a,a,good,inf\nb,b,defect,0.5\n',
    two=HEAD+'a,a,good,2\nb,b,defect,0.5\n',
    minus=HEAD+'a,a,good,-1\nb,b,defect,0.5\n', word=HEAD+'a,a,good,high\nb,b,defect,0.5\n',
    label=HEAD+'a,a,bad,0.5\nb,b,good,0.5\n',
    header=HEAD, twice=HEAD+'a,a,good,0.5\na,a,defect,0.5\n', png=png()).items()}
WORDS_OF_A_NETWORK = [('arch',o) for o in ('', '../../etc/passwd', 'hf-hub:timm/resnet10t', 'hf_hub:a/b',
    'local-dir:/etc',
    'vit_giant_patch14_dinov2', 'eva02_enormous_patch14_clip_224', 'efficientnet_b7', 'alexnet', 'resnet10t.none',
    'resnet10t\0', 7, None,
    ['resnet10t'], {'a':1}, 'x'*100_000)] + [('pool',o) for o in ('', 'max', 'avg', 'eval', 7, [])] + [
    ('size',o) for o in (0, -1, 1e9, 2**64, '32', [32], None, True, float('nan'))] + [('tta',o) for o in ('x', 8,
    None)] + [
    ('stats',o) for o in (None, [], [[0]*3], [[1e308]*3]*2, 'x', [['a']*3]*2, [[None]*3]*2, {'a':1})]

# ---- requests that the page of the station never makes

def get(path, **heads): return 'GET',path,heads,b''
def posted(path, body, **heads): return 'POST',path,heads,body
JOIN,DROP = '/gradio_api/queue/join','/gradio_api/upload'
FORGED = b'{"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}], "fn_index": 0}'

def dropped(name, field=b'files', more=b''):
    head = b'Content-Disposition: form-data; name="'+field+b'"; filename="'+name+b'"'+more
    return b'--x\r\n'+head+b'\r\n\r\n'+b'x'*50+b'\r\n--x--\r\n'

FORM = dict(content_type='multipart/form-data; boundary=x')
REQUESTS = {f'address {path[:30]!r}':get(path) for path in ('/gradio_api/file=/etc/passwd', '/file=/etc/passwd',
    '/../etc/passwd',
    '/assets/../../etc/passwd', '/assets/%2e%2e/x', '/static/..', '//etc/passwd', '/gradio_api/info', '/docs',
    '/openapi.json', '/login/x',
    '/gradio_api/proxy=http://127.0.0.1/', '/gradio_api/stream/a/b/c', '/gradio_api/call/x', '/monitoring',
    '/.git/config', '/\0', '/'+'a'*9000,
    '/config/', '/assets/', '/gradio_api/heartbeat/../x', '/verdicts.csv/..', '/gradio_api/component_server',
    '/config\n')}
REQUESTS |= {f'method {m}':(m, '/config', {}, b'') for m in ('PUT','DELETE','PATCH','OPTIONS','TRACE','CONNECT','X',
    'get')}
REQUESTS |= {f'event {name}':posted(JOIN, body, content_type='application/json') for name,body in dict(
    forged=FORGED, deep=b'['*100_000, half=b'{"data": [', nul=b'\0', nan=b'NaN',
    latin=b'\xff\xfe', huge=b'['+b'1,'*600_000+b'1]', address=FORGED.replace(b'/etc/passwd', b'http://127.0.0.1/'),
    up=FORGED.replace(b'/etc/passwd', b'../../etc/passwd')).items()}
REQUESTS |= {f'upload {name}':posted(DROP, body, **heads) for name,(body,heads) in dict(
    no_form=(b'x', {}), no_boundary=(dropped(b'a.png'), dict(content_type='multipart/form-data')),
    cut=(dropped(b'a.png')[:60], FORM),
    other_field=(dropped(b'a.png', b'path'), FORM), json=(FORGED, dict(content_type='application/json')),
    large=(dropped(b'a.png')+b'y'*2_000_000, FORM)).items()}
ODD_HEADS = dict(no_host=dict(host=None), other_host=dict(host='evil.example'), bracket=dict(host='['),
    empty=dict(host=''),
    port=dict(host='127.0.0.1:99999999'), at=dict(host='a@127.0.0.1'), space=dict(host='127.0.0.1 x'),
    control=dict(host='127.0.0.1\0'),
    origin=dict(origin='http://evil.example'), null=dict(origin='null'), odd_origin=dict(origin='http://['),
    pieces=dict(transfer_encoding='chunked'))
