import socket

near, far = socket.socketpair()


def handler(event, context):
    near.send(b"x")
    return far.recv(10).decode()
