#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

// Swift does not call functions with a variable number of arguments.
static inline amqp_rpc_reply_t martlet_amqp_login(
    amqp_connection_state_t connection, const char *virtual_host, int frame_bytes, const char *user, const char *password) {
    // No heartbeats: the reader may be silent for as long as a function runs, and TCP notices a peer that is gone.
    return amqp_login(connection, virtual_host, 1, frame_bytes, 0, AMQP_SASL_METHOD_PLAIN, user, password);
}
