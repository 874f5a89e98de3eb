"Drawn parts of one design in a fixture: what the tests and the benchmark of copies photograph"
import cv2, numpy as np

def design(rng):
    "Rectangles of several grays, a part without noise"
    part = np.full((240,320), 60, np.float32)
    for _ in range(25):
        x,y,wide,high = rng.integers((0,0,10,10), (300,220,70,50)).tolist()
        cv2.rectangle(part, (x,y), (x+wide,y+high), float(rng.integers(40, 200)), -1)
    return cv2.GaussianBlur(part, (0,0), 1.2)

def shoot(part, rng, noise):
    "One photograph: shifted, of another gain, with noise of its own"
    moved = np.roll(part, tuple(rng.integers(-2, 3, 2)), (0,1))
    return np.clip(moved*rng.uniform(.95, 1.05)+rng.normal(0, noise, part.shape), 0, 255).astype(np.uint8)
