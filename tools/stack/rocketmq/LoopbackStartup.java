import java.lang.reflect.Field;
import java.net.InetAddress;
import java.util.Arrays;

/**
 * Runs a main class whose every listener without an address of its own is on loopback. RocketMQ's proxy and its replication port know no setting
 * for that: they listen on "any address", so that one is made to mean loopback in this JVM.
 */
public final class LoopbackStartup {
  public static void main(String[] args) throws Exception {
    Field implementation = InetAddress.class.getDeclaredField("impl");
    implementation.setAccessible(true);
    Object addresses = implementation.get(null);
    Field any = addresses.getClass().getDeclaredField("anyLocalAddress");
    any.setAccessible(true);
    any.set(addresses, InetAddress.getByName("127.0.0.1"));
    String[] rest = Arrays.copyOfRange(args, 1, args.length);
    Class.forName(args[0]).getMethod("main", String[].class).invoke(null, (Object) rest);
  }

  private LoopbackStartup() {}
}
