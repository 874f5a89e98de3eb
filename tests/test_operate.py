"The operating point: prices and shares that make sense, limits that can be shown, a promise that is kept"
import math
import numpy as np, pytest
from scipy import stats
from conftest import draw
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.operate import Line, threshold_by_rate

@pytest.mark.parametrize('k', ['escape_price','overkill_price','look_price'])
@pytest.mark.parametrize('v', [math.nan, math.inf, -math.inf, -1.])
def test_prices_are_finite(k, v):
    with pytest.raises(UserError, match='give a number, 0 or more'): Line(.01, **{k:v})

@pytest.mark.parametrize('v', [math.nan, math.inf, 0, 1, -1])
def test_a_defect_rate_is_a_share(v):
    with pytest.raises(UserError, match='give a share'): Line(v)

def test_operating_limits_are_refused_with_the_number_needed():
    y,p = draw(3, 30)
    few,good = '3 defects cannot show it, 2,995 are needed','30 good parts cannot show it, 299 are needed'
    with pytest.raises(UserError, match=few): threshold_by_rate(y, p, escape=.001)
    with pytest.raises(UserError, match=good): threshold_by_rate(y, p, overkill=.01)
    with pytest.raises(UserError, match='one limit'): threshold_by_rate(y, p)

def true_rate(kind, t):
    "Of the bells that `draw` draws from"
    z = np.log(t/(1-t))
    return stats.norm.cdf(z-2) if kind=='escape' else stats.norm.sf(z)

@pytest.mark.parametrize('kw', [dict(escape=.05), dict(overkill=.05)])
def test_a_promise_is_kept_in_95_percent(kw):
    "True rates are known, so the promise can be counted; 400 sets, so 5 % ± 3.3 % (three standard errors)"
    [kind] = kw
    cuts = [threshold_by_rate(*draw(150, 150, seed=i), **kw) for i in range(400)]
    broken = sum(true_rate(kind, t) > .05 for t in cuts)
    assert broken/400<=.083
