import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.ClientAuth;
import io.vertx.core.net.PfxOptions;
import io.vertx.ext.auth.User;
import io.vertx.ext.auth.authentication.UsernamePasswordCredentials;
import io.vertx.ext.stomp.*;
import java.util.*;

/** A server of STOMP with these arguments: port, port with TLS, key store, trusted, their password, users. */
public class Start {
    public static void main(String[] given) {
        var users = List.of(given).subList(5, given.length);
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
        tls.setSsl(true).setKeyCertOptions(store(given[2], given[4])).setTrustOptions(store(given[3], given[4]));
        tls.setClientAuth(ClientAuth.REQUIRED);
        listen(vertx, handler, tls, given[1]);
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
        StompServer.create(vertx, options).handler(handler).listen().onFailure(error -> {
            error.printStackTrace();
            System.exit(1);
        });
    }
}
