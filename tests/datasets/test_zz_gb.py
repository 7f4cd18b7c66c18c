import time, threading
from tests.datasets.test_tus import create, send_much, MIB
def test_gb(server):
    for mib in (256, 1024):
        url=create(server, mib*MIB).headers["Location"]
        before=server.memory_bytes; most=0
        th=threading.Thread(target=send_much,args=(server,url,mib)); t0=time.monotonic(); th.start()
        while th.is_alive():
            most=max(most,server.memory_bytes); time.sleep(.05)
        s=time.monotonic()-t0
        print(f"\n{mib} MiB in {s:.2f}s = {mib*1.048576/s:.0f} MB/s, memory +{(most-before)/MIB:.1f} MiB")
