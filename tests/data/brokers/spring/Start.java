import java.util.List;
import java.util.Map;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;
import org.springframework.http.*;
import org.springframework.http.server.*;
import org.springframework.messaging.handler.annotation.*;
import org.springframework.messaging.simp.annotation.SendToUser;
import org.springframework.messaging.simp.config.*;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.stereotype.Controller;
import org.springframework.web.socket.WebSocketHandler;
import org.springframework.web.socket.config.annotation.*;
import org.springframework.web.socket.server.HandshakeInterceptor;

/**
 * An application as Spring's guides write it, with these arguments: port, and then either nothing (the simple broker) or the
 * host and the port of a broker to relay to. With --token=SECRET the handshake of HTTP must bring it.
 */
@Configuration
@EnableAutoConfiguration
@EnableWebSocketMessageBroker
public class Start implements WebSocketMessageBrokerConfigurer {
    private final Environment environment;

    public Start(Environment environment) {
        this.environment = environment;
    }

    public static void main(String[] given) {
        var words = List.of(given).stream().filter(word -> !word.startsWith("--")).toList();
        var relay = words.size() > 1 ? Map.of("relay.host", words.get(1), "relay.port", words.get(2)) : Map.of();
        System.getProperties().putAll(relay);
        System.getProperties().putAll(Map.of(
            "server.address", "127.0.0.1", "server.port", words.get(0), "server.shutdown", "immediate",
            "spring.main.banner-mode", "off", "logging.level.root", "WARN"));
        SpringApplication.run(new Class<?>[] {Start.class, Handlers.class}, given);
    }

    @Bean
    CommandLineRunner ready() {
        return given -> System.out.println("ready");
    }

    @Override
    public void registerStompEndpoints(StompEndpointRegistry registry) {
        var token = new Token(environment.getProperty("token"));
        registry.addEndpoint("/ws").addInterceptors(token);
        registry.addEndpoint("/sockjs").addInterceptors(token).withSockJS();
    }

    @Override
    public void configureMessageBroker(MessageBrokerRegistry registry) {
        registry.setApplicationDestinationPrefixes("/app");
        var host = environment.getProperty("relay.host");
        if (host == null) {
            // Without a scheduler it knows no heart-beats.
            registry.enableSimpleBroker("/topic", "/queue").setTaskScheduler(scheduler()).setHeartbeatValue(new long[] {1000, 1000});
        } else {
            registry.enableStompBrokerRelay("/topic", "/queue", "/exchange", "/amq/queue", "/temp-queue", "/reply-queue")
                .setRelayHost(host).setRelayPort(environment.getRequiredProperty("relay.port", Integer.class));
        }
    }

    private static ThreadPoolTaskScheduler scheduler() {
        var scheduler = new ThreadPoolTaskScheduler();
        scheduler.initialize();
        return scheduler;
    }

    /** What clients send to /app. */
    @Controller
    static class Handlers {
        @MessageMapping("/echo")
        @SendToUser("/queue/replies")
        String echo(@Payload String body) {
            return "echo: " + body;
        }

        @MessageMapping("/fail")
        void fail(@Payload String body) {
            throw new IllegalStateException("failed on " + body);
        }

        @MessageExceptionHandler
        @SendToUser("/queue/errors")
        String failed(IllegalStateException error) {
            return error.getMessage();
        }
    }

    /** Lets in who brings the token, or everybody if there is none. */
    record Token(String expected) implements HandshakeInterceptor {
        @Override
        public boolean beforeHandshake(ServerHttpRequest request, ServerHttpResponse response, WebSocketHandler handler, Map<String, Object> attributes) {
            var shown = request.getHeaders().getFirst(HttpHeaders.AUTHORIZATION);
            var let = expected == null || ("Bearer " + expected).equals(shown);
            if (!let) response.setStatusCode(HttpStatus.UNAUTHORIZED);
            return let;
        }

        @Override
        public void afterHandshake(ServerHttpRequest request, ServerHttpResponse response, WebSocketHandler handler, Exception error) {}
    }
}
