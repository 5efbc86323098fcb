import java.net.URI;
import org.apache.activemq.broker.BrokerFactory;

/** ActiveMQ from its configuration, until it is asked to end: it has a shutdown hook of its own. */
public class Start {
    public static void main(String[] configuration) throws Exception {
        BrokerFactory.createBroker(new URI(configuration[0]), true).waitUntilStopped();
    }
}
