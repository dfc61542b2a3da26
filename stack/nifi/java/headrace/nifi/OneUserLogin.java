package headrace.nifi;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.concurrent.TimeUnit;
import org.apache.nifi.authentication.AuthenticationResponse;
import org.apache.nifi.authentication.LoginCredentials;
import org.apache.nifi.authentication.LoginIdentityProvider;
import org.apache.nifi.authentication.LoginIdentityProviderConfigurationContext;
import org.apache.nifi.authentication.LoginIdentityProviderInitializationContext;
import org.apache.nifi.authentication.exception.IdentityAccessException;
import org.apache.nifi.authentication.exception.InvalidLoginCredentialsException;

/** Lets one user in, whose password stands in a file that only its owner can read. */
public class OneUserLogin implements LoginIdentityProvider {
    private String user;
    private Path file;

    @Override
    public void initialize(LoginIdentityProviderInitializationContext context) {
    }

    @Override
    public void onConfigured(LoginIdentityProviderConfigurationContext context) {
        user = context.getProperty("User");
        file = Path.of(context.getProperty("Password File"));
    }

    @Override
    public void preDestruction() {
    }

    @Override
    public AuthenticationResponse authenticate(LoginCredentials given) {
        final String password;
        try {
            password = Files.readString(file).strip();
        } catch (IOException error) {
            throw new IdentityAccessException("the password file cannot be read: " + file, error);
        }
        if (given.getUsername() == null || given.getPassword() == null || password.isEmpty()
                || !same(user, given.getUsername()) || !same(password, given.getPassword())) {
            throw new InvalidLoginCredentialsException("wrong user or password");
        }
        return new AuthenticationResponse(user, user, TimeUnit.HOURS.toMillis(12), getClass().getSimpleName());
    }

    private static boolean same(String a, String b) {
        return MessageDigest.isEqual(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
    }
}
