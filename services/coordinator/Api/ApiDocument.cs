using System.Text.RegularExpressions;
using Microsoft.OpenApi;

namespace Lathe.Coordinator;

/// <summary>The OpenAPI document of the HTTP interface: <c>/openapi/v1.json</c>, and <c>docs/openapi.json</c> in the repository.</summary>
internal static partial class ApiDocument
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
            document.Tags = null;
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
                operation.Description = $"Scope {needed.Scope?.ToString().ToLowerInvariant() ?? "none: needs no key"}.";
            operation.Tags = null;
            operation.Responses ??= [];
            operation.Responses["default"] = new OpenApiResponse
            {
                Description = "Any other problem: 400 unreadable, 401 no key, 403 a key of another scope, 429 too many requests, 503 the database is away.",
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    [ApiProblems.MediaType] = new OpenApiMediaType { Schema = new OpenApiSchemaReference(nameof(ApiProblem), context.Document) },
                },
            };
            foreach (var header in context.Description.ActionDescriptor.EndpointMetadata.OfType<TakesHeader>())
            {
                operation.Parameters ??= [];
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = header.Name, In = ParameterLocation.Header, Description = header.Description, Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                });
            }

            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, _, _) =>
        {
            // Names of .NET's types, where a comment refers to a member.
            if (schema.Description is { } text) schema.Description = TypeNames().Replace(text, "");
            return Task.CompletedTask;
        });
    });

    [GeneratedRegex(@"\w+&lt;[^&]*&gt; |\b(string|int|long|double|bool)\?? (?=[A-Z]\w+\.[A-Z])")]
    private static partial Regex TypeNames();
}

/// <summary>Says that a route reads a header.</summary>
internal sealed record TakesHeader(string Name, string Description);
