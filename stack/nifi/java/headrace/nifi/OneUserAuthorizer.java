package headrace.nifi;

import org.apache.nifi.authorization.AuthorizationRequest;
import org.apache.nifi.authorization.AuthorizationResult;
import org.apache.nifi.authorization.Authorizer;
import org.apache.nifi.authorization.AuthorizerConfigurationContext;
import org.apache.nifi.authorization.AuthorizerInitializationContext;

/** Lets one user do everything, and nobody else anything. */
public class OneUserAuthorizer implements Authorizer {
    private String user;

    @Override
    public void initialize(AuthorizerInitializationContext context) {
    }

    @Override
    public void onConfigured(AuthorizerConfigurationContext context) {
        user = context.getProperty("User").getValue();
    }

    @Override
    public void preDestruction() {
    }

    @Override
    public AuthorizationResult authorize(AuthorizationRequest request) {
        return user != null && user.equals(request.getIdentity())
                ? AuthorizationResult.approved() : AuthorizationResult.denied("only " + user + " may do anything here");
    }
}
