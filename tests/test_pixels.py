"Guards the way from files to pixels: one scale a data set, the same from path and bytes, no doubt without a word"
import io, os, runpy, shutil, struct, subprocess, sys, warnings, zlib
from pathlib import Path
from unittest import mock
import cv2, numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from conftest import part, tiny
from hostile import jpeg_scans
from warm import Command
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json, write_json
from semiconductor_cls.base.image import (FITS, HOLED, SEEN, ImageError, StretchedLevels, deep_numbers, inside,
    load_image, note_of, open_image, own_levels, read_levels, to_levels)
from semiconductor_cls.base.run import create_run, open_run
from semiconductor_cls.base.table import make_table, read_csv
from semiconductor_cls.cache import ImageCache
from semiconductor_cls.inspect import inspect
from semiconductor_cls.jobs.job import train_job
from semiconductor_cls.line.export import export_run, score_source
from semiconductor_cls.line.heat import off_square, open_explainer
from semiconductor_cls.scan import find_doubts, scan
from semiconductor_cls.line.score import decide, open_scorer, predict_files, score_images

def saved(a, fmt='TIFF', **kw):
    f = io.BytesIO()
    (a if isinstance(a, Image.Image) else Image.fromarray(a)).save(f, fmt, **kw)
    return f.getvalue()

def camera(y, seed, low=200, high=3600):
    "A part as a camera of 12 bits gives it; a defect has a dark stroke"
    rng = np.random.default_rng(seed)
    a = np.full((40,44), low+.2*(high-low))
    a[8:32,8:36] = high
    if y: a[14:26,20:24] = low
    return (a+rng.normal(0, 20, a.shape)).clip(0, 4095)

# ---- one scale a data set

@pytest.mark.parametrize('kind', [np.uint16, np.int32, np.float32])
def test_bad_pixels_do_not_decide(tmp_path, kind):
    rng = np.random.default_rng(0)
    clean = (1000+rng.normal(0, 40, (4,50,60))).astype(kind)
    odd = clean.copy()
    odd[0,5,5],odd[1,7],odd[2,:,9] = 60_000,0,65_000
    if kind==np.float32: odd[3,8,8],odd[3,20,20],odd[3,30:34] = np.inf,-1e30,np.nan
    levels = []
    for name,pictures in dict(clean=clean, odd=odd).items():
        paths = [tmp_path/f'{name}{i}.tif' for i in range(4)]
        for path,a in zip(paths, pictures): path.write_bytes(saved(a))
        levels.append(read_levels(paths))
    assert np.allclose(*levels, atol=40), levels
    assert len(np.unique(load_image(tmp_path/'odd0.tif', levels=levels[1])))>150, 'not a few gray levels'

@pytest.mark.parametrize('bits', [10,12,16])
def test_a_ramp_keeps_its_levels(tmp_path, bits):
    ramp = np.add.outer(np.arange(64), np.arange(64))/126*(2**bits-1)
    for name,kind in dict(a=np.uint16, b=np.int32, c=np.float32).items():
        path = tmp_path/f'{name}.tif'
        path.write_bytes(saved(ramp.astype(kind)))
        assert len(np.unique(load_image(path, levels=read_levels([path]))))>=120

@given(arrays(np.float32, (6,7), elements=st.floats(width=32)), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_any_numbers_become_gray_levels_in_order(a, low, span):
    with np.errstate(all='ignore'): gray = to_levels(a, (low,low+span))
    assert gray.dtype==np.uint8
    flat,order = a.ravel(),np.argsort(a.ravel())
    order = order[np.isfinite(flat[order])]
    assert (np.diff(gray.ravel()[order].astype(int))>=0).all()
    with np.errstate(all='ignore'): own = own_levels(a)
    assert (own is None) == (not np.isfinite(a).any())

def test_eight_bits_are_left_alone(tmp_path):
    rng = np.random.default_rng(0)
    for fmt in ('PNG','BMP','TIFF','JPEG','PPM'):
        for shape in ((20,30),(20,30,3)):
            path = tmp_path/f'a.{fmt.lower()}'
            path.write_bytes(saved(rng.integers(0, 256, shape, dtype=np.uint8), fmt))
            assert read_levels([path]) is None
            assert (load_image(path, levels=(0,4095))==np.asarray(Image.open(path))).all()

def test_levels_are_told(tmp_path):
    for i in range(24):
        path = tmp_path/f"parts/{'defect' if i%2 else 'good'}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(saved(camera(i%2, i).astype(np.uint16), 'PNG'))
    said = []
    train_job(tmp_path/'parts', tiny(levels='0,4095', frozen_epochs=0), path=tmp_path/'run', weights='none',
        tell=said.append)
    assert open_run(tmp_path/'run').info['pixels']['levels']==[0,4095]
    assert 'levels 0 to 4,095 become black to white' in said
    train_job(tmp_path/'parts', tiny(levels='0,2000', frozen_epochs=0), path=tmp_path/'white', weights='none',
        tell=said.append)
    clipped = '24 of 24 that were looked at reach further, and are clipped'
    assert f'levels 0 to 2,000 become black to white; {clipped}' in said
    with pytest.raises(UserError, match='levels=7,3: two numbers'):
        train_job(tmp_path/'parts', tiny(levels='7,3'), path=tmp_path/'other', weights='none')

@pytest.mark.parametrize('n', [1,5])
def test_deep_pictures_of_another_scale_are_counted(tmp_path, n):
    "Of 8 or 12 bits, both in files of 16, as no header tells"
    for i in range(24):
        path = tmp_path/f"parts/{'defect' if i%2 else 'good'}/{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(saved((camera(i%2, i)/(16 if i<n else 1)).astype(np.uint16), 'PNG'))
    *_,found = inspect(tmp_path/'parts')
    assert sorted(Path(o).name for o in found.path[found.kind=='few_levels_used'])==[f'{i:02}.png' for i in range(n)]
    said = []
    train_job(tmp_path/'parts', tiny(frozen_epochs=0), path=tmp_path/'run', weights='none', tell=said.append)
    assert any(str(o).endswith(f'; {n} of 24 that were looked at use less than a tenth of them') for o in said)

# ---- one way to decode

TURNS = range(1, 9)

@pytest.mark.parametrize('turn', TURNS)
@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.float32])
def test_path_and_bytes_give_the_same_pixels(tmp_path, turn, kind):
    a = np.arange(20*30).reshape(20, 30).astype(kind)
    content = saved(a, tiffinfo={274:turn})
    (tmp_path/'a.tif').write_bytes(content)
    by_path,by_bytes = load_image(tmp_path/'a.tif', levels=(0,600)),load_image(io.BytesIO(content), levels=(0,600))
    assert (by_path==by_bytes).all()
    plain = a if kind==np.uint8 else to_levels(a, (0,600))
    turned = {1:plain, 2:plain[:,::-1], 3:plain[::-1,::-1], 4:plain[::-1], 5:plain.T, 6:plain[::-1].T,
        7:plain[::-1,::-1].T,
              8:plain[:,::-1].T}
    assert by_path.shape==turned[turn].shape and (by_path==turned[turn]).all()

def colour_tiff(a, turn=1, planes=False):
    "A TIFF of 16-bit colours; of `planes`, one colour lies after the other"
    h,w,n = a.shape
    data = (np.moveaxis(a, 2, 0) if planes else a).astype('<u2').tobytes()
    size,count = (len(data)//n,n) if planes else (len(data),1)
    rows = {256:[w], 257:[h], 258:[16]*n, 259:[1], 262:[2], 273:[400+i*size for i in range(count)], 274:[turn],
            277:[n], 278:[h], 279:[size]*count, 284:[2 if planes else 1]}
    body,behind = b'',b''
    for tag,values in rows.items():
        value = struct.pack(f'<{len(values)}I' if tag in (273,279) else f'<{len(values)}H', *values)
        if len(value)>4: behind,value = behind+value,struct.pack('<I', 14+12*len(rows)+len(behind))
        body += struct.pack('<HHI', tag, 4 if tag in (273,279) else 3, len(values))+value.ljust(4, b'\0')
    return (struct.pack('<2sHIH', b'II', 42, 8, len(rows))+body+bytes(4)+behind).ljust(400, b'\0')+data

@pytest.mark.parametrize('turn', TURNS)
def test_a_tiff_of_deep_colours_is_turned_once(turn):
    a = np.arange(20*30*3).reshape(20, 30, 3)*30
    deep = load_image(io.BytesIO(colour_tiff(a, turn)), levels=(0,54000))
    plain = load_image(io.BytesIO(saved(to_levels(a, (0,54000)), tiffinfo={274:turn})))
    assert deep.shape==plain.shape and (deep==plain).all()

def colours_as(kind, a): # `a` has 12 bits
    "The same colours in 16 bits, as formats store them"
    if kind=='ppm': return b'P6 %d %d 65535\n' % a.shape[1::-1] + a.astype('>u2').tobytes()
    if kind=='pgm': return saved((a[...,0]//16).astype(np.uint8), 'PPM') # gray, 8 bits
    if kind=='text': return f'P3 {a.shape[1]} {a.shape[0]} 65535 {" ".join(map(str, a.ravel()))}'.encode()
    if kind in ('tif','planes'): return colour_tiff(a, planes=kind=='planes')
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if kind=='jp2' else []
    return cv2.imencode(f'.{kind}', a[...,::-1] if a.ndim==3 else a, lossless)[1].tobytes()

def of_12_bits(a):
    "A JPEG 2000 whose header says 12 bits: the middle of the range is stored as zero"
    content = bytearray(colours_as('jp2', a+30720))
    stream = content.index(b'\xff\x4f\xff\x51')
    n_channels = 3 if a.ndim==3 else 1
    content[stream+42:stream+42+3*n_channels:3] = [11]*n_channels
    content[content.index(b'ihdr')+14] = 11
    return bytes(content)

TWELVE_BITS = np.kron(np.random.default_rng(0).integers(0, 4096, (8,9,3)), np.ones((8,8,1))).astype(np.uint16)

def test_deep_colours_one_after_the_other_are_refused(tmp_path):
    "Pillow and OpenCV scramble them"
    (tmp_path/'a.tif').write_bytes(colour_tiff(TWELVE_BITS, planes=True))
    with pytest.raises(ImageError, match='one after the other .* save it as PNG'): open_image(tmp_path/'a.tif')
    assert read_levels([tmp_path/'a.tif']) is None

@pytest.mark.parametrize('kind', ['ppm','text','jp2','tif'])
def test_deep_colours_have_one_scale_in_every_format(tmp_path, kind):
    paths = [tmp_path/f'a.{o}' for o in ('png',dict(text='ppm').get(kind, kind))]
    for path,o in zip(paths, ('png',kind)): path.write_bytes(colours_as(o, TWELVE_BITS))
    own,levels = read_levels(paths[1:]),read_levels(paths[:1])
    assert own==levels and levels.high<4100
    png,other = (open_image(path, levels) for path in paths)
    assert other.info[SEEN]['deep'] and len(np.unique(other))>100
    assert (np.asarray(png)==np.asarray(other)).all()

def as_12_bits(kind, a):
    "Numbers up to 4095 in a file that tells so, gray or in colours"
    if kind=='jp2': return of_12_bits(a)
    size = f'{a.shape[1]} {a.shape[0]} 4095'
    if kind=='text': return f"P{2 if a.ndim<3 else 3} {size} {' '.join(map(str, a.ravel()))}".encode()
    return f'P{5 if a.ndim<3 else 6} {size}\n'.encode() + a.astype('>u2').tobytes()

@pytest.mark.parametrize('kind', ['pnm','text','jp2'])
@pytest.mark.parametrize('a', [TWELVE_BITS,TWELVE_BITS[...,0]], ids=['colours','gray'])
def test_numbers_of_12_bits_are_those_of_the_file_but_for_a_rule_of_before(kind, a):
    "Pillow stretches them to 65,535"
    content = as_12_bits(kind, a)
    with Image.open(io.BytesIO(content)) as im: assert np.array_equal(deep_numbers(im, content), a)
    with Image.open(io.BytesIO(content)) as im: numbers = deep_numbers(im, content, stretched=True)
    assert np.abs(numbers/65535-a/4095).max()<2**-12

@pytest.mark.parametrize('kind', ['pnm','text','jp2'])
@pytest.mark.parametrize('a', [TWELVE_BITS,TWELVE_BITS[...,0]], ids=['colours','gray'])
def test_numbers_of_12_bits_have_one_scale_in_every_format(tmp_path, kind, a):
    (tmp_path/'a.png').write_bytes(colours_as('png', a))
    (tmp_path/f'a.{dict(jp2=kind).get(kind, "pnm")}').write_bytes(as_12_bits(kind, a))
    paths = sorted(tmp_path.iterdir())
    levels = read_levels(paths)
    assert levels==read_levels(paths[:1])==read_levels(paths[1:]) and levels.high<4096
    for some in (levels, (0,4095), (500,900)):
        one,two = (open_image(path, some) for path in paths)
        assert np.array_equal(one, two) and one.info[SEEN]['outside']==two.info[SEEN]['outside']
    assert 60<load_image(paths[0], levels=(0,4095)).mean()<200

def test_a_bmp_of_16_bits_a_pixel_is_not_deep(tmp_path):
    "5 bits of red, 6 of green, 5 of blue"
    head = struct.pack('<IiiHHIIiiII3I', 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0, 0xF800, 0x7E0, 0x1F)
    content = b'BM'+struct.pack('<IHHI', 70, 0, 0, 66)+head+struct.pack('<HH', 0xF800, 0x1F)
    (tmp_path/'a.bmp').write_bytes(content)
    assert load_image(tmp_path/'a.bmp', levels=(0,4095)).tolist()==[[[255,0,0],[0,0,255]]]

@pytest.mark.parametrize('turn', TURNS)
def test_a_deep_png_is_turned_as_its_8_bits(turn):
    a = np.arange(20*30).reshape(20, 30)%200
    exif = Image.Exif()
    exif[274] = turn
    deep,plain = (load_image(io.BytesIO(saved(o, 'PNG', exif=exif)), levels=(0,
        255)) for o in (a.astype(np.uint16), a.astype(np.uint8)))
    assert (deep==plain).all()

def test_white_first(tmp_path):
    a = np.arange(600).reshape(20, 30)*100
    for kind in (np.uint8, np.uint16):
        black = saved((a%255).astype(kind))
        white = saved((np.iinfo(kind).max-a%255).astype(kind), tiffinfo={262:0})
        if kind==np.uint8: white = saved(np.asarray((a%255).astype(kind)),
            tiffinfo={262:0}) # Pillow inverts while it writes
        assert (load_image(io.BytesIO(white), levels=(0,254))==load_image(io.BytesIO(black), levels=(0,254))).all()

@pytest.mark.parametrize('mode', ['LA','RGBA','P','L','RGB'])
def test_what_is_transparent_is_black(mode):
    gray = np.full((10,12), 200, np.uint8)
    gray[:5] = 90
    alpha = Image.fromarray(np.where(gray==90, 0, 255).astype(np.uint8))
    im,kw = Image.fromarray(gray),{}
    if mode=='LA': im = Image.merge('LA', [im,alpha])
    if mode=='RGBA': im = Image.merge('RGBA', [im,im,im,alpha])
    if mode=='P': im,kw = im.convert('P'),dict(transparency=90)
    if mode=='L': kw = dict(transparency=90)
    if mode=='RGB': im,kw = im.convert('RGB'),dict(transparency=(90,90,90))
    seen = np.asarray(open_image(io.BytesIO(saved(im, 'PNG', **kw))).convert('L'))
    assert (seen==np.where(gray==90, 0, 200)).all()

@pytest.mark.parametrize('mode,kind', [('RGBA','PNG'), ('LA','PNG'), ('RGBA','TIFF'), ('RGBA','WEBP'), ('P','PNG')])
def test_an_alpha_channel_that_hides_all_is_not_used_and_that_is_said(mode, kind):
    gray = Image.fromarray(np.random.default_rng(3).integers(0, 256, (30,40), np.uint8))
    im,kw = gray.convert(mode),dict(transparency=bytes(256)) if mode=='P' else {}
    if mode!='P': im.putalpha(0)
    if kind=='WEBP': kw = dict(lossless=True, exact=True)
    seen = open_image(io.BytesIO(saved(im, kind, **kw)))
    assert (np.asarray(seen.convert('L'))==np.asarray(gray)).all()
    assert note_of(seen, np.asarray(seen))=='look: its alpha channel hides all of it, and is not used'

@pytest.mark.parametrize('bands', [2,4])
def test_a_16_bit_alpha_channel_that_hides_all_is_not_used_and_that_is_said(bands):
    gray = np.random.default_rng(3).integers(0, 65536, (30,40), np.uint16)
    content = deep_png([gray]*(bands-1) + [np.zeros_like(gray)])
    for levels in (None, (0,65535)):
        seen = open_image(io.BytesIO(content), levels)
        assert np.abs(np.asarray(seen.convert('L')).astype(int)-gray/257).max()<2
        assert note_of(seen, np.asarray(seen))=='look: its alpha channel hides all of it, and is not used'

def deep_png(channels):
    "A PNG of 16 bits, of two or four channels"
    rows = np.stack(channels, -1).astype('>u2')
    head = struct.pack('>IIBBBBB', rows.shape[1], rows.shape[0], 16, {2:4, 4:6}[len(channels)], 0, 0, 0)
    data = zlib.compress(b''.join(b'\0'+row.tobytes() for row in rows))
    def chunk(kind, o): return struct.pack('>I', len(o))+kind+o+struct.pack('>I', zlib.crc32(kind+o))
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', head)+chunk(b'IDAT', data)+chunk(b'IEND', b'')

def test_a_last_channel_of_a_tiff_that_nothing_names_is_not_used_and_that_is_said():
    gray = Image.fromarray(np.random.default_rng(3).integers(0, 256, (30,40), np.uint8))
    im = gray.convert('RGBA')
    im.putalpha(gray)
    content = saved(im, 'TIFF')
    number = struct.pack('<H', 338)
    at = content.index(number+struct.pack('<HI', 3, 1))
    unnamed = content[:at]+struct.pack('<H', 337)+content[at+2:]
    seen = open_image(io.BytesIO(unnamed))
    assert (np.asarray(seen.convert('L'))==np.asarray(gray)).all()
    said = note_of(seen, np.asarray(seen))
    assert said=='look: nothing in the file says what its last channel is, and it is not used'

@pytest.mark.parametrize('kw', [{}, dict(progressive=True), dict(restart_marker_rows=1)])
def test_a_jpeg_with_a_hole_that_its_markers_tell_is_said(tmp_path, kw):
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (200,200), np.uint8))
    whole = saved(noise, 'JPEG', **kw)
    middle = len(whole)//2
    (tmp_path/'whole.jpg').write_bytes(whole)
    (tmp_path/'hole.jpg').write_bytes(whole[:middle]+np.random.default_rng(1).bytes(2000)+whole[middle+2000:])
    notes = [note_of(o, np.asarray(o)) for o in map(open_image, sorted(tmp_path.glob('*.jpg')))]
    assert notes[0].startswith(f'look: {HOLED}') and notes[1]==''
    found = find_doubts(scan(make_table([dict(path=str(o)) for o in sorted(tmp_path.glob('*.jpg'))])))
    assert [(Path(p).name,kind) for p,kind,*_ in found if kind=='damaged_file']==[('hole.jpg','damaged_file')]

def test_lab_is_read():
    neutral = Image.merge('LAB', [Image.new('L', (8,8), o) for o in (255,128,128)])
    assert open_image(io.BytesIO(saved(neutral))).getpixel((0,0))==(254,255,254)

def raw_tiff(a, kind):
    "A TIFF of one strip; `kind` is its sample format"
    h,w = a.shape
    tags = [(256,4,w),(257,4,h),(258,3,8*a.itemsize),(259,3,1),(262,3,1),(273,4,8),(277,3,1),(278,4,h),(279,4,
        a.nbytes),(339,3,kind)]
    rows = b''.join(struct.pack('<HHII', tag, width, 1, value) for tag,width,value in tags)
    return struct.pack('<2sHI', b'II', 42, 8+a.nbytes)+a.tobytes()+struct.pack('<H', len(tags))+rows+bytes(4)

@pytest.mark.parametrize('kind,sample,why', [('f8',3,'64 bits a channel, 1 channels, real'), ('f2',3,'16 bits'),
    ('u8',1,'64 bits')])
def test_what_is_not_read_is_named(kind, sample, why):
    with pytest.raises(ImageError, match=why): open_image(io.BytesIO(raw_tiff(np.ones((4,5), kind), sample)))

@pytest.mark.parametrize('kind,sample', [('i1',2), ('i2',2), ('i4',2), ('u4',1), ('f4',3)])
def test_signs_are_kept(kind, sample):
    a = np.linspace(-100 if kind[0] in 'if' else 3e9, 100 if kind[0] in 'if' else 4e9, 20).reshape(4, 5).astype(kind)
    seen = load_image(io.BytesIO(raw_tiff(a, sample)), levels=(a.min(), a.max()))
    assert (seen==to_levels(a, (a.min(), a.max()))).all()

@settings(max_examples=150)
@given(st.binary(max_size=60), st.sampled_from([b'\x89PNG\r\n\x1a\n', b'II*\0\x08\0\0\0', b'MM\0*\0\0\0\x08',
    b'\xff\xd8\xff\xe0', b'BM', b'P5 ', b'RIFF    WEBP', b'']))
def test_junk_is_an_image_error(rest, start):
    with pytest.raises(ImageError): open_image(io.BytesIO(start+rest))

@settings(max_examples=60)
@given(st.data())
def test_a_flipped_byte_is_an_image_or_an_image_error(data):
    a = np.arange(600).reshape(20, 30)
    fmt = data.draw(st.sampled_from(['PNG','TIFF','BMP','JPEG','PPM','WEBP','JPEG2000']))
    kind = data.draw(st.sampled_from([np.uint8]+[np.uint16]*(fmt in ('PNG','TIFF'))))
    content = bytearray(saved(a.astype(kind), fmt))
    content[data.draw(st.integers(0, len(content)-1))] = data.draw(st.integers(0, 255))
    try: assert open_image(io.BytesIO(bytes(content)), (0,600)).mode in ('L','RGB')
    except ImageError as e: assert str(e)

# ---- doubts

def png_of(rows, w, h):
    "A PNG whose stream ends where its rows end, with check sums that hold"
    def chunk(kind, body): return struct.pack('>I', len(body))+kind+body+struct.pack('>I', zlib.crc32(kind+body))
    head = struct.pack('>IIBBBBB', w, h, 8, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', head)+chunk(b'IDAT', zlib.compress(rows))+chunk(b'IEND', b'')

def damaged(folder):
    "Six files that can be decoded and are no picture of a part"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    a = rng.integers(40, 220, (60,70), dtype=np.uint8)
    early = png_of(b''.join(b'\0'+o.tobytes() for o in a[:25]), 70, 60)
    jpeg = saved(a, 'JPEG')
    gray,right = a.copy(),a.copy()
    gray[25:],right[:,30:] = 128,0
    files = {'early.png':early, 'early.jpg':jpeg[:len(jpeg)//2]+b'\xff\xd9', 'zeros.bmp':saved(right, 'BMP'),
        'gray.png':saved(gray, 'PNG'),
             'nan.tif':saved(np.full((60,70), np.nan, np.float32)), 'black.png':saved(a*0, 'PNG')}
    for name,content in files.items(): (folder/name).write_bytes(content)
    (folder/'fine.png').write_bytes(saved(a, 'PNG'))
    (folder/'pages.tif').write_bytes(saved(Image.fromarray(a), save_all=True, append_images=[Image.fromarray(255-a)]*2))
    return folder

def test_doubts_are_said_by_predict_and_eda(trained, tmp_path):
    df = predict_files(trained/'runs/a', [damaged(tmp_path/'parts/good')])
    df.index = [Path(p).name for p in df.path]
    bad = df.drop(['fine.png','pages.tif'])
    assert bad.note.str.contains('is one value|are no numbers').all(), bad.note
    assert not (bad.decision=='pass').any()
    assert 'is one value' not in df.note['fine.png'] and 'the first of several pages' in df.note['pages.tif']
    for i in range(60): part(tmp_path/f'parts/defect/d{i}.png', 1, i)
    found = inspect(tmp_path/'parts')[2]
    kinds = {Path(o.path).name: o.kind for o in found.itertuples() if o.kind in ('half_picture','no_numbers',
        'several_pages')}
    halves = 'early.png early.jpg zeros.bmp gray.png black.png'.split()
    assert kinds.items() >= {**dict.fromkeys(halves, 'half_picture'), 'pages.tif':'several_pages'}.items()
    assert found[found.kind=='no_numbers'].path.str.endswith('nan.tif').all()

def test_no_memory_stops(tmp_path, monkeypatch, hashed):
    def none(*_): raise MemoryError
    monkeypatch.setattr(Image.Image, 'load', none)
    for say in (lambda: open_image(hashed.path[0]), lambda: ImageCache(hashed, 32, tmp_path/'c'), lambda: scan(hashed)):
        with pytest.raises(MemoryError): say()

# ---- the cache

def test_the_cache_is_made_again_if_it_is_not_what_was_written(hashed, tmp_path):
    c = ImageCache(hashed, 32, tmp_path/'c')
    want,meta = c[5].copy(),c.path.with_suffix('.json')
    content,said = c.path.read_bytes(),meta.read_text()
    spoilt = {'bit':lambda: c.path.write_bytes(content[:-9]+bytes([content[-9]^4])+content[-8:]),
              'short':lambda: c.path.write_bytes(content[:-500]),
              'other shape':lambda: np.save(c.path, np.zeros((48,16,64), np.uint8)),
              'other keys':lambda: meta.write_text(said.replace(hashed['hash'][0], 'f'*32)),
              'no list':lambda: write_json(meta, [1])}
    for change in spoilt.values():
        change()
        assert (ImageCache(hashed, 32, tmp_path/'c')[5]==want).all()
        assert c.path.read_bytes()==content

# ---- a run, its bundle and its script

@pytest.fixture(scope='module')
def deep_run(tmp_path_factory):
    "A run on pictures of 12 bits, exported"
    p = tmp_path_factory.mktemp('deep')
    with pytest.MonkeyPatch.context() as mp:
        mp.setenv('SEMICLS_CACHE', str(p/'cache'))
        for i in range(64):
            path = p/f"parts/{'defect' if i%2 else 'good'}/{i:02}.{'png' if i%3 else 'tif'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(saved(camera(i%2, i).astype(np.uint16), 'PNG' if i%3 else 'TIFF'))
        train_job(p/'parts', tiny(), path=p/'run', weights='none')
        pytest.importorskip('onnxruntime')
        export_run(p/'run')
        yield p

def test_a_deep_run_scores_alike_everywhere(deep_run, tmp_path):
    levels = open_run(deep_run/'run').info['pixels']['levels']
    assert 100<levels[0]<400 and 3500<levels[1]<3800
    test = read_csv(deep_run/'run/preds_test.csv')
    half = camera(0, 3).astype(np.uint16)
    half[15:] = 0
    (tmp_path/'half.png').write_bytes(saved(half, 'PNG'))
    (tmp_path/'far.tif').write_bytes(saved(camera(0, 4, 5000, 9000).astype(np.float32)*3))
    paths = [*test.path, str(tmp_path/'half.png'), str(tmp_path/'far.tif')]
    torch,graph = (score_images(open_scorer(deep_run/'run', engine), paths) for engine in ('torch','export'))
    done = subprocess.run([sys.executable, deep_run/'run/export/score.py', *paths], capture_output=True,
        text=True, check=True)
    script = pd.read_csv(io.StringIO(done.stdout)).fillna('')
    n = len(test)
    for other in (torch.p_defect, graph.p_defect, script.p_defect): assert np.abs(other[:n]-test.p_defect).max()<1e-4
    assert np.abs(torch.p_defect-script.p_defect).max()<1e-4
    assert torch.note.tolist()==graph.note.tolist()==script.note.tolist()
    assert 'is one value' in torch.note[n] and 'outside levels' in torch.note[n+1]
    assert script.decision.tolist()==graph.decision.tolist() and (script.decision[n:]!='pass').all()

def test_a_pgm_of_12_bits_scores_as_the_png_and_in_a_run_of_before_as_it_did(deep_run, tmp_path):
    "Of before: as a PNG of the numbers that Pillow stretches to 65,535"
    a = camera(1, 7).astype(np.uint16).clip(0, 4095)
    (tmp_path/'a.pgm').write_bytes(as_12_bits('pgm', a))
    for name,numbers in dict(same=a, stretched=np.round(a/4095*65535).astype(np.uint16)).items():
        (tmp_path/f'{name}.png').write_bytes(saved(numbers, 'PNG'))
    paths = [str(tmp_path/o) for o in ('a.pgm','same.png','stretched.png')]
    old = tmp_path/'old'
    shutil.copytree(deep_run/'run', old)
    shutil.rmtree(old/'export')
    info = open_run(old).info
    assert info['pixels'].pop('numbers')=='as written'
    write_json(old/'run.json', info)
    export_run(old)
    assert 'numbers' not in read_json(old/'export/manifest.json')['pixels']
    for run,i in ((deep_run/'run',1), (old,2)):
        told = subprocess.run([sys.executable, run/'export/score.py', *paths], capture_output=True, text=True,
            check=True)
        script = pd.read_csv(io.StringIO(told.stdout)).fillna('')
        for found in (*(score_images(open_scorer(run, o), paths) for o in ('torch','export')), script):
            assert found.p_defect[0]==found.p_defect[i]!=found.p_defect[3-i] and found.note[0]==found.note[i]

def test_a_training_that_goes_on_keeps_the_numbers_that_it_began_with(tmp_path):
    "Interrupted after an epoch, by a version that stretched"
    for i in range(24):
        path = tmp_path/f"parts/{'defect' if i%2 else 'good'}/{i:02}.pgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_12_bits('pgm', camera(i%2, i).astype(np.uint16).clip(0, 4095)))
    class Stop(Exception): pass
    def tell(line):
        if (tmp_path/'run/checkpoint.pt').exists(): raise Stop('power cut')
    how = dict(path=tmp_path/'run', weights='none')
    r = tiny(frozen_epochs=0, epochs=2, levels='0,4095')
    with pytest.raises(Stop): train_job(tmp_path/'parts', r, tell=tell, **how)
    info = open_run(tmp_path/'run').info
    assert info['pixels'].pop('numbers')=='as written'
    write_json(tmp_path/'run/run.json', info)
    with mock.patch('semiconductor_cls.cache.load_image', wraps=load_image) as decoded:
        train_job(tmp_path/'parts', r, resume=True, **how)
    assert open_run(tmp_path/'run').pixels[0]==StretchedLevels(0,4095)
    assert StretchedLevels(0,4095) in [o.args[3] for o in decoded.call_args_list]

def test_a_deep_picture_is_doubted_where_training_had_none(trained, tmp_path):
    (tmp_path/'a.png').write_bytes(saved(camera(0, 1).astype(np.uint16), 'PNG'))
    row = predict_files(trained/'runs/a', [tmp_path/'a.png']).iloc[0]
    assert row.p_defect>=0 and 'more than 8 bits' in row.note and row.decision!='pass'

def test_export_compares_on_the_photographs_of_the_run(deep_run, tmp_path):
    shutil.copytree(deep_run/'parts', tmp_path/'parts')
    path = Path(read_csv(deep_run/'run/preds_valid.csv').path[0])
    kept = path.read_bytes()
    try:
        for content in (kept[:40], b'', saved(camera(0, 99).astype(np.uint16), 'PNG')):
            path.write_bytes(content)
            with pytest.raises(UserError, match='is not the photograph|another picture than in training'):
                export_run(deep_run/'run', out=tmp_path/'no')
            assert not (tmp_path/'no').exists()
    finally: path.write_bytes(kept)

def test_a_run_of_before_scores_as_before(deep_run, tmp_path):
    run = tmp_path/'old'
    shutil.copytree(deep_run/'run', run)
    shutil.rmtree(run/'export')
    info = {k:v for k,v in open_run(run).info.items() if k not in ('pixels','unlike')}
    write_json(run/'run.json', info)
    path = read_csv(run/'preds_test.csv').path[0]
    old = score_images(open_scorer(run, 'torch'), [path]).iloc[0]
    eight = tmp_path/'eight.png'
    Image.fromarray((np.asarray(Image.open(path))>>8).astype(np.uint8)).save(eight)
    assert old.note=='' and old.p_defect==score_images(open_scorer(run, 'torch'), [str(eight)]).p_defect[0]
    write_json(run/'run.json', info | dict(pixels=dict(levels=[9,1], blank=.3, resize='squeeze')))
    with pytest.raises(UserError, match='is no rule that this release knows'): open_scorer(run, 'torch')

# ---- pictures of different shapes

SHAPES = [(44,40),(80,40),(40,80)]

@pytest.fixture(scope='module')
def padded(tmp_path_factory):
    "Parts of three shapes, and a run with `fit=pad` that the command trained and exported"
    d = tmp_path_factory.mktemp('padded')
    for i in range(36):
        size,is_defect = SHAPES[i%3],i%2
        a = np.random.default_rng(i).normal(120, 9, size[::-1])
        if is_defect: a[14:26,14:20] = 20
        (d/'parts'/('defect' if is_defect else 'good')).mkdir(parents=True, exist_ok=True)
        Image.fromarray(a.clip(0, 255).astype(np.uint8)).save(d/f"parts/{'defect' if is_defect else 'good'}/{i}.png")
    small = [o for pair in ('sizes=32','epochs=1','bs=8','fit=pad') for o in ('--set',pair)]
    env = {**os.environ, 'SEMICLS_CACHE':str(d/'cache')}
    def semicls(*args):
        p = Command(args, d, env)
        p.out,p.err = p.communicate()
        return p
    done = semicls('train', 'parts', '--name', 'a', '--arch', 'test_resnet', '--weights', 'none', *small)
    assert done.returncode==0, done.err
    assert 'differ in shape' not in done.out+done.err
    said = semicls('eda', 'parts', '--out', 'eda')
    assert 'pictures differ in shape' in said.out+said.err and 'fit=pad' in said.out+said.err
    export_run(d/'runs/a')
    return d

def test_a_padded_run_scores_alike_everywhere(padded):
    "torch, the graph, the bundle's script and the explainer make the same squares; run and manifest say which"
    run,paths = padded/'runs/a',sorted(map(str, padded.glob('parts/*/*.png')))
    assert open_run(run).fit=='pad' and read_json(run/'export/manifest.json')['pixels']['resize']=='pad'
    scorers = [open_scorer(run, engine) for engine in ('torch','export')]
    torch_p,graph_p = (score_images(o, paths).p_defect.to_numpy() for o in scorers)
    done = subprocess.run([sys.executable, run/'export/score.py', *paths], capture_output=True, text=True, check=True)
    script = pd.read_csv(io.StringIO(done.stdout))
    explain = open_explainer(run)
    seen = explain.scores([load_image(o) for o in paths])
    for p in (graph_p, script.p_defect, seen): assert np.abs(torch_p-p).max()<1e-4
    trained_on = read_csv(run/'preds_test.csv').set_index('path').p_defect
    again = dict(zip(paths, torch_p))
    assert all(abs(again[str(Path(padded/path).resolve())]-p)<1e-4 for path,p in trained_on.items())

def test_a_margin_is_no_missing_half(padded):
    "A strip is padded by more than a quarter on each side: nothing says that its end is missing"
    for engine in ('torch','export'):
        notes = score_images(open_scorer(padded/'runs/a', engine), [padded/'parts/good/4.png']).note
        assert 'one value' not in notes[0]

def test_maps_and_squares_turn_with_the_picture(padded):
    "A map is stretched over the picture itself, so that the boxes of the file fit it"
    explain = open_explainer(padded/'runs/a')
    strip = load_image(padded/'parts/good/4.png')
    assert strip.shape==(40,80)
    heat = np.zeros((32,32), np.float32)
    heat[8:24,:16] = 1    # the left half of the strip
    over = off_square(heat, strip.shape[1::-1], 'pad')
    assert over[:,:15].min()>.9 and over[:,17:].max()<.1
    assert explain.maps([strip]).shape==(1,32,32)

# ---- the script of a bundle, which may import nothing, is given the functions of the rules

@pytest.fixture(scope='module')
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp('script')/'score.py'
    path.write_text(score_source())
    return runpy.run_path(str(path))

KINDS = dict(L=np.uint8, RGB=np.uint8, RGBA=np.uint8, LA=np.uint8, P=np.uint8, I16=np.uint16, I16B='>u2', I=np.int32,
             F=np.float32)

def any_picture(kind, size, seed, band):
    "A picture of that kind; a share `band` of its rows is zero"
    rng = np.random.default_rng(seed)
    depth = dict(RGB=(3,), RGBA=(4,), LA=(2,)).get(kind, ())
    a = (rng.random((size[1],size[0],*depth))*dict(I16=65_535, I=90_000, F=900).get(kind, 255)).astype(KINDS[kind])
    if kind=='F': a[rng.random(a.shape)<.02] = np.nan
    a[:round(band*len(a))] = 0
    im = Image.fromarray(a)
    return im.convert('P') if kind=='P' else im

@given(st.sampled_from(list(KINDS)), st.tuples(st.integers(1, 90), st.integers(1, 90)), st.integers(0, 99),
       st.sampled_from([0,.1,.3,1]), st.sampled_from([None,(),(100.,700.)]), st.sampled_from([1,3]),
       st.sampled_from(FITS), st.integers(1, 64), st.sampled_from([None,3,6,8]))
@settings(max_examples=300, deadline=None)
def test_the_script_has_the_same_pixels_and_doubts(
    script, tmp_path_factory, kind, size, seed, band, levels, channels, fit, side, turn):
    path,im = tmp_path_factory.getbasetemp()/'any.tif',any_picture(kind, size, seed, band)
    exif = Image.Exif()
    if turn: exif[274] = turn
    im.save(path, exif=exif)
    rule = script['Levels'](*levels) if levels else levels
    theirs = script['prepared'](script['open_picture'](path, rule), [side], channels, rule, .25, fit)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore') # "levels were assumed"
        ours = load_image(path, side, channels, levels, fit)
    assert np.array_equal(theirs[side], ours)
    left,top,right,bottom = inside(theirs['size'], side, fit)
    flat = ours[top:bottom,left:right]
    assert theirs['note']==note_of(open_image(path, levels or None), flat, levels, .25)

def fifo(path): os.mkfifo(path)
def scans(path): path.write_bytes(jpeg_scans())
def huge(path):
    with open(path, 'wb') as file: file.truncate(300_000_000)

@pytest.mark.parametrize('make,why', [(fifo,'not a plain file'), (scans,'a JPEG of more than 100 scans'),
                                      (huge,'a file of more than 256 MB')])
def test_the_script_waits_for_no_file_that_never_ends(script, tmp_path, make, why):
    make(tmp_path/'a.jpg')
    with pytest.raises(ValueError, match=why): script['open_picture'](tmp_path/'a.jpg')

@pytest.mark.parametrize('content,why', [(b'','zero bytes'), (b'hello','no picture of a kind that is read here'),
                                         (None,'no such file')])
def test_the_script_says_the_same_of_a_file_each_time(script, tmp_path, content, why):
    path = tmp_path/'a.png'
    if content is not None: path.write_bytes(content)
    manifest = dict(channels=1, inputs=[], members=[])
    said = [script['row'](None, manifest, None, str(path))[1:] for _ in range(2)]
    assert said==[['','',why]]*2

@pytest.mark.parametrize('kind', ['pgm','png','ppm','text','jp2','tif','planes','12 bits'])
def test_the_script_has_the_same_deep_colours_or_refuses_them(script, tmp_path, kind):
    path = tmp_path/'a'
    path.write_bytes(of_12_bits(TWELVE_BITS) if kind=='12 bits' else colours_as(kind, TWELVE_BITS))
    for levels in ((),script['Levels'](100., 4000.)):
        is_read = kind in ('pgm','ppm','text') or kind in ('png','tif') and not levels
        if not is_read:
            with pytest.raises(ValueError, match='16-bit colours'): script['open_picture'](path, levels)
            continue
        theirs,ours = script['open_picture'](path, levels),open_image(path, levels or None)
        assert np.array_equal(theirs.convert('RGB'), ours.convert('RGB')) and np.ptp(ours)
        pixels = np.asarray(ours)
        assert script['note_of'](theirs, pixels, levels, .25)==note_of(ours, pixels, levels, .25)

@pytest.mark.parametrize('kind', ['pnm','text','jp2'])
@pytest.mark.parametrize('levels', [None,[],[100.,4000.],[0.,65535.]])
@pytest.mark.parametrize('is_old', [False,True])
def test_the_script_stretches_numbers_of_12_bits_where_the_library_does(script, tmp_path, kind, levels, is_old):
    (tmp_path/'a').write_bytes(as_12_bits(kind, TWELVE_BITS[...,0]))
    kind_of = 'StretchedLevels' if is_old else 'Levels'
    rule = script[kind_of](*levels) if levels else levels
    theirs = script['open_picture'](tmp_path/'a', rule)
    ours = open_image(tmp_path/'a', StretchedLevels(*levels) if levels and is_old else levels or None)
    assert np.array_equal(theirs.convert('RGB'), ours.convert('RGB')) and np.ptp(ours)
    told,pixels = levels if levels is None else tuple(levels),np.asarray(ours)
    assert script['note_of'](theirs, pixels, told, .25)==note_of(ours, pixels, told, .25)

NOTES = ['','look: dim','unlike training: dark','a word']

@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from(NOTES))
def test_the_script_decides_alike(script, p, one, other, note):
    low,high = sorted([one,other])
    assert script['decide'](p, low, high, note)==decide(p, (low,high), note)

def test_members_with_other_squares_are_refused(padded, tmp_path):
    runs = Path(shutil.copytree(padded/'runs', tmp_path/'runs'))
    shutil.copytree(runs/'a', runs/'b')
    info = read_json(runs/'b/run.json')
    write_json(runs/'b/run.json', info | dict(pixels=info['pixels'] | dict(resize='squeeze')))
    both = create_run(runs/'both', kind='ensemble', how='prob', members=dict(a='../a', b='../b'),
                      weights=dict(a=.5, b=.5))
    with pytest.raises(UserError, match='members see other squares'): both.fit

def test_a_text_in_a_picture_is_never_taken_for_what_was_seen(tmp_path):
    info = PngInfo()
    for name in ('seen','assumed'): info.add_text(name, 'by nobody')
    Image.new('L', (40,30), 90).save(tmp_path/'a.png', pnginfo=info)
    assert open_image(tmp_path/'a.png').info[SEEN]['file_format']=='PNG'
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        load_image(tmp_path/'a.png', 32)
