"`python -m semiconductor_cls` is the command `semicls`"
from .cli import main

if __name__=='__main__': main()
