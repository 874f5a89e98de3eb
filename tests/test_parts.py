"What is a picture of a part: the same for a folder and its archive, whatever lies beside"
import os, zipfile
import numpy as np, pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from semiconductor_cls.base.issues import issues_of
from semiconductor_cls.base.parts import list_images, say_left_out
from semiconductor_cls.line.inputs import list_inputs
from semiconductor_cls.source import read_source, say_findings

def picture(path, seed=0, size=(40,30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)).save(path)

def mask(path, box=None, size=(40,30)):
    marks = Image.new('L', size)
    if box: marks.paste(255, box)
    marks.save(path)

folders = st.sampled_from(['','good/','good/@eaDir/1.png/','.thumbs/','lot/Thumbnails/','#recycle/','a.b/',
    'run/','eda/figures/','good/~snapshot/','RECYCLER/','good/heat maps/'])
names = st.sampled_from(['1.png','2.PNG','._1.png','.DS_Store','notes.txt','3.xyz','report.html','run.json',
    'no_ending','1_annotated.png','1-Thumb.png','2_preview.png'])

@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(folders, names).map(''.join), unique=True, min_size=1))
def test_a_folder_and_its_archive_have_the_same_parts(tmp_path_factory, files):
    root = tmp_path_factory.mktemp('data')/'in'
    for name in [*files,'sure.png']:
        if name.lower().endswith('png'): picture(root/name, len(name))
        else:
            (root/name).parent.mkdir(parents=True, exist_ok=True)
            (root/name).touch()
    packed = root.parent/'in.zip'
    with zipfile.ZipFile(packed, 'w') as z:
        for o in sorted(root.rglob('*')):
            if o.is_file(): z.write(o, o.relative_to(root))
    def seen(call):
        try: listed = list_inputs(call)
        except Exception as e: return str(e).split('; ')[1:]
        return sorted(os.path.relpath(o, call) for o in listed), sorted(say_left_out(listed.findings)[10:].split(', '))
    assert seen(root)==seen(packed)

def test_links_give_the_same_list_whatever_their_names(tmp_path):
    for i,(real,link) in enumerate([('a','z'),('z','a')]):
        root = tmp_path/f'set{i}'
        picture(root/real/'1.png')
        (root/link).symlink_to(real)
        assert [str(o.relative_to(root)) for o in list_images(root)]==[f'{real}/1.png']

MADE = ['{}_overlay.jpg','{}-Heatmap.png','{}_thumb.png','overlay/{}.png','FOUND.000/{}.png','~snapshot/{}.png']

@pytest.mark.parametrize('name', MADE)
def test_a_picture_made_from_another_one_is_no_part_and_counted(tmp_path, name):
    for i in range(3):
        picture(tmp_path/f'good/{i}.png', i)
        picture(tmp_path/f'defect/{i}.png', i+9)
        picture(tmp_path/'defect'/name.format(i), i+20)
    picture(tmp_path/'good/9_overlay.png', 30) # of no other one
    df = read_source(tmp_path)
    assert df.label.value_counts().to_dict()==dict(good=4, defect=3)
    folder = name.partition('/')[0]
    where = f'in {folder}' if '/' in name else 'made from another picture'
    assert say_left_out(df.attrs['issues'])==f'left out: 3 {where}'

@pytest.mark.parametrize('name', ['{}_label.bmp','{}_mask.png','{}-GT.png','mask_{}.png','{}.bmp'])
def test_masks_are_no_defects_but_boxes(tmp_path, name):
    for i in range(4):
        picture(tmp_path/f'good/{i}.png', i)
        picture(tmp_path/f'defect/{i}.png', i+9)
        mask(tmp_path/'defect'/name.format(i), (5,6,11,9))
    df = read_source(tmp_path)
    assert df.label.value_counts().to_dict()==dict(good=4, defect=4)
    assert df.boxes[df.label=='defect'].tolist()==[[(5,6,10,8)]]*4
    assert say_left_out(df.attrs['issues'])=='left out: 4 as mask'
    assert len(list_inputs(tmp_path/'defect'))==4

def test_what_is_only_named_like_a_mask_stays(tmp_path):
    for i in range(4):
        picture(tmp_path/f'good/{i}.png', i)
        picture(tmp_path/f'good/{i}_label.png', i+20) # the label of the part, photographed
        picture(tmp_path/f'defect/{i}.png', i+9)
        mask(tmp_path/f'defect/{i}_gt.png', size=(9,9)) # of another size
    df = read_source(tmp_path)
    found = issues_of(df)
    assert len(df)==16 and found.kind.tolist()==['mask_not_confirmed']*8
    assert found.detail.value_counts().to_dict()=={'more than two values':4, 'of another size':4}
    listed = list_inputs(tmp_path/'good') # and scored, which is said
    assert len(listed)==8 and say_left_out(listed.findings)=='read: 4 as a part, though called a mask'
    with zipfile.ZipFile(tmp_path/'good.zip', 'w') as z: # as in a folder
        for o in sorted((tmp_path/'good').iterdir()): z.write(o, o.name)
    packed = list_inputs(tmp_path/'good.zip')
    assert len(packed)==8 and say_left_out(packed.findings)==say_left_out(listed.findings)

def dark(path, seed, spot=None):
    "A picture on a dark ground, with a bright spot: nearly all of its pixels are near two levels"
    levels = np.random.default_rng(seed).normal(25, 5, (60,60)).clip(0, 255).astype(np.uint8)
    if spot: levels[spot] = 220
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path)

SPOT = slice(20,30),slice(20,32)

@pytest.mark.parametrize('name,picture_name', [('{}_mask.png','{}.png'), ('GT {}.bmp','{}.png'), ('{}.png','{}.jpg')])
@pytest.mark.parametrize('level', [255,1])
def test_masks_of_dark_pictures_with_one_bright_spot_are_masks(tmp_path, name, picture_name, level):
    for i in range(4):
        dark(tmp_path/'good'/picture_name.format(i), i)
        dark(tmp_path/'defect'/picture_name.format(i), i+9, SPOT)
        marks = np.zeros((60,60), np.uint8)
        marks[SPOT] = level
        Image.fromarray(marks).save(tmp_path/'defect'/name.format(i))
    df = read_source(tmp_path)
    assert df.label.value_counts().to_dict()==dict(good=4, defect=4)
    assert df.boxes[df.label=='defect'].tolist()==[[(20,20,31,29)]]*4
    assert 'mask_not_confirmed' not in set(issues_of(df).kind)
    assert len(list_inputs(tmp_path/'defect'))==4

@pytest.mark.parametrize('kind', ['a blurred mask','a copy','damaged'])
def test_what_is_called_a_mask_and_cannot_be_told_is_a_finding(tmp_path, kind):
    dark(tmp_path/'good/0.png', 0)
    dark(tmp_path/'defect/1.png', 1, SPOT)
    called = tmp_path/'defect/1_mask.jpg'
    if kind=='a copy': dark(called, 1, SPOT)
    elif kind=='damaged': called.write_bytes(b'no picture')
    else:
        marks = np.zeros((60,60), np.uint8)
        marks[SPOT] = 255
        Image.fromarray(marks).save(called, quality=50)
    df = read_source(tmp_path)
    assert len(df)==3 and '1 mask_not_confirmed (1_mask.jpg)' in say_findings(df)

def test_boxes_that_people_have_drawn_stay(tmp_path):
    picture(tmp_path/'good/0.png')
    picture(tmp_path/'defect/1.png')
    mask(tmp_path/'defect/1_mask.png', (5,6,11,9))
    (tmp_path/'boxes.csv').write_text('id,x_1,y_1,x_2,y_2\n1,1,2,3,4\n')
    df = read_source(tmp_path)
    assert df.boxes[df.label=='defect'].tolist()==[[(1,2,3,4)]]

@pytest.mark.parametrize('classes', [('ok','ng'), ('good','defect')])
@pytest.mark.parametrize('where', ['outside','beside'])
def test_a_second_link_to_a_folder_is_counted(tmp_path, classes, where):
    "A link of each class leads to one folder: in a tree, the pictures count once, and the other link is said"
    good,defect = (tmp_path/'set'/name for name in classes)
    for i in range(3):
        picture(good/f'{i}.png', i)
        picture(defect/f'{i}.png', i+9)
        picture(tmp_path/f'store/{i}.png', i+20)
    (defect/'more').symlink_to(tmp_path/'store' if where=='outside' else good)
    if where=='outside': (good/'more').symlink_to(tmp_path/'store')
    listed,found = list_images(tmp_path/'set', issues := []),say_left_out(issues)
    assert len(listed)==(9 if where=='outside' else 6)
    assert found=='left out: 3 in more (a folder that is read elsewhere)'
    if classes==('ok','ng'): assert found in say_left_out(read_source(tmp_path/'set').attrs['issues'])

def test_a_folder_that_a_link_leads_up_to_is_listed_once(tmp_path):
    for name in ('in/lot/1.png','in/2.png','beside/3.png'): picture(tmp_path/name)
    (tmp_path/'in/up').symlink_to('..')
    (tmp_path/'in/lot/round').symlink_to('..')
    issues = []
    names = [str(o.relative_to(tmp_path/'in')) for o in list_images(tmp_path/'in', issues)]
    assert names==['2.png','lot/1.png','up/beside/3.png']
    assert issues==[]
