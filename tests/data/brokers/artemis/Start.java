import java.io.File;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.spi.core.security.ActiveMQJAASSecurityManager;

/** Artemis from its configuration, until it is asked to end. */
public class Start {
    public static void main(String[] configuration) throws Exception {
        var broker = new EmbeddedActiveMQ();
        broker.setConfigResourcePath(new File(configuration[0]).toURI().toString());
        broker.setSecurityManager(new ActiveMQJAASSecurityManager("activemq"));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(broker)));
        broker.start();
        Thread.currentThread().join();
    }

    private static void stop(EmbeddedActiveMQ broker) {
        try {
            broker.stop();
        } catch (Exception error) {
            error.printStackTrace();
        }
    }
}
