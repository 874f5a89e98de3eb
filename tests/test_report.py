"The page of a run in a real browser: it fits each screen and a sheet, is dark where people like it so, can be signed"
import re
import pytest
from browser import *

@pytest.fixture(scope='module')
def page_of_a_run(trained): return (trained/'runs/a/report.html').as_uri()

def opened(chrome, url, width, **kw):
    page = new_page(chrome, viewport=dict(width=width, height=844), **kw)
    page.goto(url)
    return page

@pytest.mark.parametrize('width', [390,1280])
def test_nothing_is_wider_than_the_screen(chrome, page_of_a_run, width):
    page = opened(chrome, page_of_a_run, width)
    assert page.evaluate('document.documentElement.scrollWidth')<=width
    assert page.evaluate('[...document.images].every(o => o.alt && o.getBoundingClientRect().right<=innerWidth)')

def test_mistakes_have_small_pictures_on_the_page_itself(chrome, page_of_a_run):
    small = opened(chrome, page_of_a_run, 1280).locator('img.small')
    sides = small.evaluate_all('all => all.map(o => Math.max(o.naturalWidth, o.naturalHeight))')
    assert sides and all(0<side<=96 for side in sides)
    assert all(o.startswith('data:') for o in small.evaluate_all('all => all.map(o => o.src)'))

FIGURE = re.compile('<figure>.*?</figure>', re.S)

@pytest.mark.parametrize('name', ['a','both'])
def test_every_figure_of_a_run_has_a_title_and_a_caption(trained, name):
    figures = FIGURE.findall((trained/f'runs/{name}/report.html').read_text())
    assert len(figures)>2 and all('<figcaption><b>' in o for o in figures), [o[:90] for o in figures]

def test_every_figure_of_a_look_at_the_data_has_a_title_and_a_caption(replica, tmp_path):
    from semiconductor_cls.inspect import run_eda
    run_eda(replica[0], tmp_path/'eda')
    page = (tmp_path/'eda/report.html').read_text()
    figures = FIGURE.findall(page)
    assert len(figures)>=len(list((tmp_path/'eda/figures').glob('*.png')))>4
    assert all('<figcaption><b>' in o for o in figures), [o[:90] for o in figures]

def lightness(page, what): # 0 black to 255 white
    colour = page.evaluate(f'getComputedStyle(document.body).{what}')
    return sum(map(int, colour[4:-1].split(',')))/3

def test_it_is_dark_where_people_have_it_dark_and_light_on_paper(chrome, page_of_a_run):
    by_day,by_night = (opened(chrome, page_of_a_run, 1280, color_scheme=o) for o in ('light','dark'))
    assert lightness(by_day, 'backgroundColor')>200>100>lightness(by_day, 'color')
    assert lightness(by_night, 'backgroundColor')<60<180<lightness(by_night, 'color')
    by_night.emulate_media(media='print')
    assert lightness(by_night, 'backgroundColor')>200>100>lightness(by_night, 'color')

def test_it_can_be_printed_and_signed(chrome, page_of_a_run):
    page = opened(chrome, page_of_a_run, 1280)
    sizes = re.findall(rb'/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]', page.pdf(prefer_css_page_size=True))
    assert len(sizes)>2 and {tuple(round(float(o)) for o in size) for size in sizes}=={(595,842)} # A4, in points
    signed = page.locator('tr', has_text='decided by').last
    assert signed.bounding_box()['width']>500 and '_____' in signed.inner_text(), 'there is room to sign'
