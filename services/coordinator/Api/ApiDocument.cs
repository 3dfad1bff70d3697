using Microsoft.OpenApi;

namespace Lathe.Coordinator;

/// <summary>The OpenAPI document of the HTTP interface: <c>/openapi/v1.json</c>, and <c>docs/openapi.json</c> in the repository.</summary>
internal static class ApiDocument
{
    public const string Path = "/openapi/v1.json";

    private const string Version = "v1";
    private const string Key = "key";

    public static void AddApiDocument(this IServiceCollection services) => services.AddOpenApi(Version, options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "Lathe coordinator",
                Version = Version,
                Description = "Submits, controls and reads sweeps. Every error is application/problem+json.",
            };
            // The same document wherever the coordinator listens.
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [Key] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http, Scheme = "bearer", BearerFormat = "lathe_ID_SECRET",
                    Description = "A key that 'lathe keys create' made. A coordinator that listens on its own machine alone asks for none.",
                },
            };
            document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Key, document)] = [] }];
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            if (context.Description.ActionDescriptor.EndpointMetadata.OfType<NeedsScope>().LastOrDefault() is { } needed)
                operation.Description = $"Scope {needed.Scope.ToString().ToLowerInvariant()}.";
            operation.Tags = null;
            return Task.CompletedTask;
        });
    });
}
