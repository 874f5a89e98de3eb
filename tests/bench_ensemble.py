"All 4,095 committees of 12 members on 10,000 images, and the bootstrap of as many: seconds, best of three"
import time
import numpy as np, pandas as pd
from semiconductor_cls.ensemble import all_aucs
from semiconductor_cls.auc import bootstrap, metrics

def best(f, n=3):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter()-start)
    return min(times)

def draw(n=10_000, k=12):
    r = np.random.default_rng(0)
    y = np.arange(n)<n//5
    z = 3*y + r.normal(size=n) + r.normal(size=(k,n))
    return y, pd.DataFrame(1/(1+np.exp(-z.T)))

if __name__=='__main__':
    y,P = draw()
    assert len(all_aucs(y, P))==4095
    print(f'all combinations: {best(lambda: all_aucs(y, P)):.2f} s, one thread')
    def boot(): bootstrap(lambda w: metrics(y, P[0], w), y)
    print(f'bootstrap, 5 metrics, 1,000 draws: {best(boot):.2f} s')
