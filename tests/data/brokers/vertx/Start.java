import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.ClientAuth;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.net.PfxOptions;
import io.vertx.ext.auth.User;
import io.vertx.ext.auth.authentication.UsernamePasswordCredentials;
import io.vertx.ext.stomp.*;
import java.util.*;

/** A server of STOMP with these arguments: port, port with TLS, the same of WebSockets, key store, trusted, their password, users. */
public class Start {
    private static final List<String> SUBPROTOCOLS = List.of("v12.stomp", "v11.stomp", "v10.stomp");
    private static final int LARGEST = 4 * 1024 * 1024;

    public static void main(String[] given) {
        var users = List.of(given).subList(7, given.length);
        var vertx = Vertx.vertx();
        // The handler asks the thread that makes it for its context.
        vertx.runOnContext(ready -> start(vertx, users, given));
    }

    private static void start(Vertx vertx, List<String> users, String[] given) {
        var handler = StompServerHandler.create(vertx)
            .destinationFactory((v, name) -> name.startsWith("/topic/") ? Destination.topic(v, name) : Destination.queue(v, name))
            .authProvider(shown -> users.contains(text(shown)) ? Future.succeededFuture(User.fromName("user")) : Future.failedFuture("refused"));
        listen(vertx, handler, new StompServerOptions(), given[0]);
        var tls = new StompServerOptions();
        tls.setSsl(true).setKeyCertOptions(store(given[4], given[6])).setTrustOptions(store(given[5], given[6]));
        tls.setClientAuth(ClientAuth.REQUIRED);
        listen(vertx, handler, tls, given[1]);
        open(vertx, handler, new HttpServerOptions(), given[2]);
        var secure = new HttpServerOptions().setSsl(true).setKeyCertOptions(store(given[4], given[6]));
        secure.setTrustOptions(store(given[5], given[6])).setClientAuth(ClientAuth.REQUIRED);
        open(vertx, handler, secure, given[3]);
    }

    /** The same server on WebSockets. What it sends is one message, up to the limit of both. */
    private static void open(Vertx vertx, StompServerHandler handler, HttpServerOptions options, String port) {
        var bridge = new StompServerOptions().setSecured(true).setPort(-1).setWebsocketBridge(true);
        var server = StompServer.create(vertx, bridge).handler(handler);
        options.setHost("127.0.0.1").setPort(Integer.parseInt(port)).setWebSocketSubProtocols(SUBPROTOCOLS);
        options.setMaxWebSocketFrameSize(LARGEST).setMaxWebSocketMessageSize(LARGEST);
        var http = vertx.createHttpServer(options);
        http.webSocketHandshakeHandler(server.webSocketHandshakeHandler()).webSocketHandler(server.webSocketHandler());
        endIfFailed(http.listen());
    }

    private static String text(Object shown) {
        var credentials = (UsernamePasswordCredentials) shown;
        return credentials.getUsername() + ":" + credentials.getPassword();
    }

    private static PfxOptions store(String path, String password) {
        return new PfxOptions().setPath(path).setPassword(password);
    }

    private static void listen(Vertx vertx, StompServerHandler handler, StompServerOptions options, String port) {
        options.setSecured(true).setHost("127.0.0.1").setPort(Integer.parseInt(port));
        endIfFailed(StompServer.create(vertx, options).handler(handler).listen());
    }

    private static void endIfFailed(Future<?> listening) {
        listening.onFailure(error -> {
            error.printStackTrace();
            System.exit(1);
        });
    }
}
