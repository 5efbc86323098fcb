import java.util.List;
import java.util.Map;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.core.env.Environment;
import org.springframework.http.HttpStatus;
import org.springframework.http.server.ServerHttpRequest;
import org.springframework.http.server.ServerHttpResponse;
import org.springframework.messaging.handler.annotation.MessageExceptionHandler;
import org.springframework.messaging.handler.annotation.MessageMapping;
import org.springframework.messaging.simp.annotation.SendToUser;
import org.springframework.messaging.simp.broker.BrokerAvailabilityEvent;
import org.springframework.messaging.simp.config.MessageBrokerRegistry;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.stereotype.Controller;
import org.springframework.web.socket.WebSocketHandler;
import org.springframework.web.socket.config.annotation.EnableWebSocketMessageBroker;
import org.springframework.web.socket.config.annotation.StompEndpointRegistry;
import org.springframework.web.socket.config.annotation.WebSocketMessageBrokerConfigurer;
import org.springframework.web.socket.server.HandshakeInterceptor;

/**
 * An application as Spring's guides write it, with these arguments: its port, and the port of a broker to relay to, or nothing
 * for the simple broker. With --token=SECRET there is an endpoint that wants the token.
 */
@Configuration
@EnableAutoConfiguration
@EnableWebSocketMessageBroker
public class Start implements WebSocketMessageBrokerConfigurer {
    private static final String HOST = "127.0.0.1";
    private final Environment environment;
    private volatile boolean available;

    public Start(Environment environment) {
        this.environment = environment;
    }

    public static void main(String[] given) {
        var words = List.of(given).stream().filter(word -> !word.startsWith("--")).toList();
        if (words.size() > 1) System.setProperty("relay.port", words.get(1));
        System.getProperties().putAll(Map.of(
            "server.address", HOST, "server.port", words.get(0), "server.shutdown", "immediate",
            "spring.main.banner-mode", "off", "logging.level.root", "WARN"));
        SpringApplication.run(new Class<?>[] {Start.class, Handlers.class}, given);
    }

    @Bean
    CommandLineRunner ready() {
        return given -> System.out.println("ready");
    }

    /** A relay is of no use before it has a connection of its own to the broker. */
    @EventListener
    public void note(BrokerAvailabilityEvent event) {
        available = event.isBrokerAvailable();
    }

    @Override
    public void registerStompEndpoints(StompEndpointRegistry registry) {
        // Otherwise a SEND may overtake the SUBSCRIBE before it.
        registry.setPreserveReceiveOrder(true);
        registry.addEndpoint("/ws").addInterceptors(new Gate(null));
        registry.addEndpoint("/sockjs").addInterceptors(new Gate(null)).withSockJS();
        var token = environment.getProperty("token");
        if (token != null) registry.addEndpoint("/guarded").addInterceptors(new Gate("Bearer " + token));
    }

    @Override
    public void configureMessageBroker(MessageBrokerRegistry registry) {
        registry.setApplicationDestinationPrefixes("/app");
        // Otherwise messages overtake each other, and the end of the connection overtakes the RECEIPT of a DISCONNECT.
        registry.setPreservePublishOrder(true);
        var port = environment.getProperty("relay.port", Integer.class);
        if (port == null) {
            // Without a scheduler there are no heart-beats.
            registry.enableSimpleBroker("/topic", "/queue").setTaskScheduler(scheduler());
        } else {
            registry.enableStompBrokerRelay("/topic", "/queue", "/exchange", "/amq/queue", "/temp-queue", "/reply-queue").setRelayHost(HOST).setRelayPort(port);
        }
    }

    private static ThreadPoolTaskScheduler scheduler() {
        var scheduler = new ThreadPoolTaskScheduler();
        scheduler.initialize();
        return scheduler;
    }

    /** What clients send to the application. */
    @Controller
    static class Handlers {
        @MessageMapping("/echo")
        @SendToUser("/queue/replies")
        String echo(String body) {
            return "echo: " + body;
        }

        @MessageMapping("/fail")
        void fail(String body) {
            throw new IllegalStateException("failed: " + body);
        }

        @MessageExceptionHandler
        @SendToUser("/queue/errors")
        String failed(IllegalStateException error) {
            return error.getMessage();
        }
    }

    /** Lets in whoever brings what is expected, or everybody if that is nothing, as soon as the broker is there. */
    private class Gate implements HandshakeInterceptor {
        private final String expected;

        Gate(String expected) {
            this.expected = expected;
        }

        @Override
        public boolean beforeHandshake(ServerHttpRequest request, ServerHttpResponse response, WebSocketHandler handler, Map<String, Object> attributes) {
            var known = expected == null || expected.equals(request.getHeaders().getFirst("Authorization"));
            if (!known) response.setStatusCode(HttpStatus.UNAUTHORIZED);
            else if (!available) response.setStatusCode(HttpStatus.SERVICE_UNAVAILABLE);
            return known && available;
        }

        @Override
        public void afterHandshake(ServerHttpRequest request, ServerHttpResponse response, WebSocketHandler handler, Exception error) {}
    }
}
