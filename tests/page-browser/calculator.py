"""A calculator of RFC 2289 that is not ours: Heimdal's libotp. Reads the passphrase, prints words and hex."""

import ctypes
import sys


class Algorithm(ctypes.Structure):
    """`OtpAlgorithm` of Heimdal's otp.h."""

    _fields_ = [
        ("id", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("hashsize", ctypes.c_int),
        ("hash", ctypes.c_void_p),
        ("init", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p)),
        ("next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)),
    ]


libotp = ctypes.CDLL("libotp.so.0")
libotp.otp_find_alg.restype = ctypes.POINTER(Algorithm)

name, number, seed = sys.argv[1:]
algorithm = libotp.otp_find_alg(name.encode()).contents
key = ctypes.create_string_buffer(8)
text = ctypes.create_string_buffer(64)
algorithm.init(key, sys.stdin.readline().rstrip("\n").encode(), seed.encode())
for _ in range(int(number)):
    algorithm.next(key)
for write in (libotp.otp_print_stddict, libotp.otp_print_hex):
    write(key, text, ctypes.c_size_t(len(text)))
    print(text.value.decode())
