extension ServiceModel {
    static let text = #"""
# Lambda 2015-03-31 as botocore 1.44.5 has it; written by Deploy/lambda_model.py.
operation	AddLayerVersionPermission	POST	/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy	201	AddLayerVersionPermissionRequest
operation	AddPermission	POST	/2015-03-31/functions/{FunctionName}/policy	201	AddPermissionRequest
operation	CheckpointDurableExecution	POST	/2025-12-01/durable-executions/{DurableExecutionArn}/checkpoint	200	CheckpointDurableExecutionRequest
operation	CreateAlias	POST	/2015-03-31/functions/{FunctionName}/aliases	201	CreateAliasRequest
operation	CreateCapacityProvider	POST	/2025-11-30/capacity-providers	202	CreateCapacityProviderRequest
operation	CreateCodeSigningConfig	POST	/2020-04-22/code-signing-configs	201	CreateCodeSigningConfigRequest
operation	CreateEventSourceMapping	POST	/2015-03-31/event-source-mappings	202	CreateEventSourceMappingRequest
operation	CreateFunction	POST	/2015-03-31/functions	201	CreateFunctionRequest
operation	CreateFunctionUrlConfig	POST	/2021-10-31/functions/{FunctionName}/url	201	CreateFunctionUrlConfigRequest
operation	DeleteAlias	DELETE	/2015-03-31/functions/{FunctionName}/aliases/{Name}	204	DeleteAliasRequest
operation	DeleteCapacityProvider	DELETE	/2025-11-30/capacity-providers/{CapacityProviderName}	202	DeleteCapacityProviderRequest
operation	DeleteCodeSigningConfig	DELETE	/2020-04-22/code-signing-configs/{CodeSigningConfigArn}	204	DeleteCodeSigningConfigRequest
operation	DeleteDurableExecution	DELETE	/2025-12-01/durable-executions/{DurableExecutionArn}	202	DeleteDurableExecutionRequest
operation	DeleteEventSourceMapping	DELETE	/2015-03-31/event-source-mappings/{UUID}	202	DeleteEventSourceMappingRequest
operation	DeleteFunction	DELETE	/2015-03-31/functions/{FunctionName}	200	DeleteFunctionRequest
operation	DeleteFunctionCodeSigningConfig	DELETE	/2020-06-30/functions/{FunctionName}/code-signing-config	204	DeleteFunctionCodeSigningConfigRequest
operation	DeleteFunctionConcurrency	DELETE	/2017-10-31/functions/{FunctionName}/concurrency	204	DeleteFunctionConcurrencyRequest
operation	DeleteFunctionEventInvokeConfig	DELETE	/2019-09-25/functions/{FunctionName}/event-invoke-config	204	DeleteFunctionEventInvokeConfigRequest
operation	DeleteFunctionUrlConfig	DELETE	/2021-10-31/functions/{FunctionName}/url	204	DeleteFunctionUrlConfigRequest
operation	DeleteLayerVersion	DELETE	/2018-10-31/layers/{LayerName}/versions/{VersionNumber}	204	DeleteLayerVersionRequest
operation	DeleteProvisionedConcurrencyConfig	DELETE	/2019-09-30/functions/{FunctionName}/provisioned-concurrency	204	DeleteProvisionedConcurrencyConfigRequest
operation	DeleteResourcePolicy	DELETE	/2026-07-09/resource-policy/{ResourceArn}	204	DeleteResourcePolicyRequest
operation	GetAccountSettings	GET	/2016-08-19/account-settings	200	GetAccountSettingsRequest
operation	GetAlias	GET	/2015-03-31/functions/{FunctionName}/aliases/{Name}	200	GetAliasRequest
operation	GetCapacityProvider	GET	/2025-11-30/capacity-providers/{CapacityProviderName}	200	GetCapacityProviderRequest
operation	GetCodeSigningConfig	GET	/2020-04-22/code-signing-configs/{CodeSigningConfigArn}	200	GetCodeSigningConfigRequest
operation	GetDurableExecution	GET	/2025-12-01/durable-executions/{DurableExecutionArn}	200	GetDurableExecutionRequest
operation	GetDurableExecutionHistory	GET	/2025-12-01/durable-executions/{DurableExecutionArn}/history	200	GetDurableExecutionHistoryRequest
operation	GetDurableExecutionState	GET	/2025-12-01/durable-executions/{DurableExecutionArn}/state	200	GetDurableExecutionStateRequest
operation	GetEventSourceMapping	GET	/2015-03-31/event-source-mappings/{UUID}	200	GetEventSourceMappingRequest
operation	GetFunction	GET	/2015-03-31/functions/{FunctionName}	200	GetFunctionRequest
operation	GetFunctionCodeSigningConfig	GET	/2020-06-30/functions/{FunctionName}/code-signing-config	200	GetFunctionCodeSigningConfigRequest
operation	GetFunctionConcurrency	GET	/2019-09-30/functions/{FunctionName}/concurrency	200	GetFunctionConcurrencyRequest
operation	GetFunctionConfiguration	GET	/2015-03-31/functions/{FunctionName}/configuration	200	GetFunctionConfigurationRequest
operation	GetFunctionEventInvokeConfig	GET	/2019-09-25/functions/{FunctionName}/event-invoke-config	200	GetFunctionEventInvokeConfigRequest
operation	GetFunctionRecursionConfig	GET	/2024-08-31/functions/{FunctionName}/recursion-config	200	GetFunctionRecursionConfigRequest
operation	GetFunctionScalingConfig	GET	/2025-11-30/functions/{FunctionName}/function-scaling-config	200	GetFunctionScalingConfigRequest
operation	GetFunctionUrlConfig	GET	/2021-10-31/functions/{FunctionName}/url	200	GetFunctionUrlConfigRequest
operation	GetLayerVersion	GET	/2018-10-31/layers/{LayerName}/versions/{VersionNumber}	200	GetLayerVersionRequest
operation	GetLayerVersionByArn	GET	/2018-10-31/layers?find=LayerVersion	200	GetLayerVersionByArnRequest
operation	GetLayerVersionPolicy	GET	/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy	200	GetLayerVersionPolicyRequest
operation	GetPolicy	GET	/2015-03-31/functions/{FunctionName}/policy	200	GetPolicyRequest
operation	GetProvisionedConcurrencyConfig	GET	/2019-09-30/functions/{FunctionName}/provisioned-concurrency	200	GetProvisionedConcurrencyConfigRequest
operation	GetResourcePolicy	GET	/2026-07-09/resource-policy/{ResourceArn}	200	GetResourcePolicyRequest
operation	GetRuntimeManagementConfig	GET	/2021-07-20/functions/{FunctionName}/runtime-management-config	200	GetRuntimeManagementConfigRequest
operation	Invoke	POST	/2015-03-31/functions/{FunctionName}/invocations	200	InvocationRequest
operation	InvokeAsync	POST	/2014-11-13/functions/{FunctionName}/invoke-async	202	InvokeAsyncRequest
operation	InvokeWithResponseStream	POST	/2021-11-15/functions/{FunctionName}/response-streaming-invocations	200	InvokeWithResponseStreamRequest
operation	ListAliases	GET	/2015-03-31/functions/{FunctionName}/aliases	200	ListAliasesRequest
operation	ListCapacityProviders	GET	/2025-11-30/capacity-providers	200	ListCapacityProvidersRequest
operation	ListCodeSigningConfigs	GET	/2020-04-22/code-signing-configs	200	ListCodeSigningConfigsRequest
operation	ListDurableExecutionsByFunction	GET	/2025-12-01/functions/{FunctionName}/durable-executions	200	ListDurableExecutionsByFunctionRequest
operation	ListEventSourceMappings	GET	/2015-03-31/event-source-mappings	200	ListEventSourceMappingsRequest
operation	ListFunctionEventInvokeConfigs	GET	/2019-09-25/functions/{FunctionName}/event-invoke-config/list	200	ListFunctionEventInvokeConfigsRequest
operation	ListFunctionUrlConfigs	GET	/2021-10-31/functions/{FunctionName}/urls	200	ListFunctionUrlConfigsRequest
operation	ListFunctionVersionsByCapacityProvider	GET	/2025-11-30/capacity-providers/{CapacityProviderName}/function-versions	200	ListFunctionVersionsByCapacityProviderRequest
operation	ListFunctions	GET	/2015-03-31/functions	200	ListFunctionsRequest
operation	ListFunctionsByCodeSigningConfig	GET	/2020-04-22/code-signing-configs/{CodeSigningConfigArn}/functions	200	ListFunctionsByCodeSigningConfigRequest
operation	ListLayerVersions	GET	/2018-10-31/layers/{LayerName}/versions	200	ListLayerVersionsRequest
operation	ListLayers	GET	/2018-10-31/layers	200	ListLayersRequest
operation	ListProvisionedConcurrencyConfigs	GET	/2019-09-30/functions/{FunctionName}/provisioned-concurrency?List=ALL	200	ListProvisionedConcurrencyConfigsRequest
operation	ListTags	GET	/2017-03-31/tags/{Resource}	200	ListTagsRequest
operation	ListVersionsByFunction	GET	/2015-03-31/functions/{FunctionName}/versions	200	ListVersionsByFunctionRequest
operation	PauseDurableExecution	POST	/2025-12-01/durable-executions/{DurableExecutionArn}/pause	202	PauseDurableExecutionRequest
operation	PublishLayerVersion	POST	/2018-10-31/layers/{LayerName}/versions	201	PublishLayerVersionRequest
operation	PublishVersion	POST	/2015-03-31/functions/{FunctionName}/versions	201	PublishVersionRequest
operation	PutFunctionCodeSigningConfig	PUT	/2020-06-30/functions/{FunctionName}/code-signing-config	200	PutFunctionCodeSigningConfigRequest
operation	PutFunctionConcurrency	PUT	/2017-10-31/functions/{FunctionName}/concurrency	200	PutFunctionConcurrencyRequest
operation	PutFunctionEventInvokeConfig	PUT	/2019-09-25/functions/{FunctionName}/event-invoke-config	200	PutFunctionEventInvokeConfigRequest
operation	PutFunctionRecursionConfig	PUT	/2024-08-31/functions/{FunctionName}/recursion-config	200	PutFunctionRecursionConfigRequest
operation	PutFunctionScalingConfig	PUT	/2025-11-30/functions/{FunctionName}/function-scaling-config	202	PutFunctionScalingConfigRequest
operation	PutProvisionedConcurrencyConfig	PUT	/2019-09-30/functions/{FunctionName}/provisioned-concurrency	202	PutProvisionedConcurrencyConfigRequest
operation	PutResourcePolicy	PUT	/2026-07-09/resource-policy/{ResourceArn}	200	PutResourcePolicyRequest
operation	PutRuntimeManagementConfig	PUT	/2021-07-20/functions/{FunctionName}/runtime-management-config	200	PutRuntimeManagementConfigRequest
operation	RemoveLayerVersionPermission	DELETE	/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId}	204	RemoveLayerVersionPermissionRequest
operation	RemovePermission	DELETE	/2015-03-31/functions/{FunctionName}/policy/{StatementId}	204	RemovePermissionRequest
operation	ResumeDurableExecution	POST	/2025-12-01/durable-executions/{DurableExecutionArn}/resume	202	ResumeDurableExecutionRequest
operation	SendDurableExecutionCallbackFailure	POST	/2025-12-01/durable-execution-callbacks/{CallbackId}/fail	200	SendDurableExecutionCallbackFailureRequest
operation	SendDurableExecutionCallbackHeartbeat	POST	/2025-12-01/durable-execution-callbacks/{CallbackId}/heartbeat	200	SendDurableExecutionCallbackHeartbeatRequest
operation	SendDurableExecutionCallbackSuccess	POST	/2025-12-01/durable-execution-callbacks/{CallbackId}/succeed	200	SendDurableExecutionCallbackSuccessRequest
operation	StopDurableExecution	POST	/2025-12-01/durable-executions/{DurableExecutionArn}/stop	200	StopDurableExecutionRequest
operation	TagResource	POST	/2017-03-31/tags/{Resource}	204	TagResourceRequest
operation	UntagResource	DELETE	/2017-03-31/tags/{Resource}	204	UntagResourceRequest
operation	UpdateAlias	PUT	/2015-03-31/functions/{FunctionName}/aliases/{Name}	200	UpdateAliasRequest
operation	UpdateCapacityProvider	PUT	/2025-11-30/capacity-providers/{CapacityProviderName}	202	UpdateCapacityProviderRequest
operation	UpdateCodeSigningConfig	PUT	/2020-04-22/code-signing-configs/{CodeSigningConfigArn}	200	UpdateCodeSigningConfigRequest
operation	UpdateEventSourceMapping	PUT	/2015-03-31/event-source-mappings/{UUID}	202	UpdateEventSourceMappingRequest
operation	UpdateFunctionCode	PUT	/2015-03-31/functions/{FunctionName}/code	200	UpdateFunctionCodeRequest
operation	UpdateFunctionConfiguration	PUT	/2015-03-31/functions/{FunctionName}/configuration	200	UpdateFunctionConfigurationRequest
operation	UpdateFunctionEventInvokeConfig	POST	/2019-09-25/functions/{FunctionName}/event-invoke-config	200	UpdateFunctionEventInvokeConfigRequest
operation	UpdateFunctionUrlConfig	PUT	/2021-10-31/functions/{FunctionName}/url	200	UpdateFunctionUrlConfigRequest
exception	AliasLimitExceededException	400	message	User
exception	CallbackTimeoutException	400	Message	User
exception	CapacityProviderLimitExceededException	400	message	User
exception	CodeArtifactUserDeletedException	409	message	User
exception	CodeArtifactUserFailedException	409	message	User
exception	CodeArtifactUserPendingException	409	message	User
exception	CodeSigningConfigNotFoundException	404	Message	User
exception	CodeStorageExceededException	400	message	User
exception	CodeVerificationFailedException	400	Message	User
exception	DurableExecutionAlreadyStartedException	409	Message	User
exception	EC2AccessDeniedException	502	Message	Service
exception	EC2ThrottledException	502	Message	Service
exception	EC2UnexpectedException	502	Message	Service
exception	EFSIOException	410	Message	User
exception	EFSMountConnectivityException	408	Message	User
exception	EFSMountFailureException	403	Message	User
exception	EFSMountTimeoutException	408	Message	User
exception	ENILimitReachedException	502	Message	Service
exception	ENINotReadyException	502	Message	Service
exception	FunctionVersionsPerCapacityProviderLimitExceededException	400	message	User
exception	InvalidCodeSignatureException	400	Message	User
exception	InvalidParameterValueException	400	message	User
exception	InvalidRequestContentException	400	message	User
exception	InvalidRuntimeException	502	Message	Service
exception	InvalidSecurityGroupIDException	502	Message	Service
exception	InvalidSubnetIDException	502	Message	Service
exception	InvalidZipFileException	502	Message	Service
exception	KMSAccessDeniedException	502	Message	Service
exception	KMSDisabledException	502	Message	Service
exception	KMSInvalidStateException	502	Message	Service
exception	KMSNotFoundException	502	Message	Service
exception	ModeNotSupportedException	400	message	User
exception	NoPublishedVersionException	400	Message	User
exception	PolicyLengthExceededException	400	message	User
exception	PreconditionFailedException	412	message	User
exception	ProvisionedConcurrencyConfigNotFoundException	404	message	User
exception	PublicPolicyException	400	Message	User
exception	RecursiveInvocationException	400	Message	User
exception	RequestTooLargeException	413	message	User
exception	ResourceConflictException	409	message	User
exception	ResourceInUseException	400	Message	User
exception	ResourceNotFoundException	404	Message	User
exception	ResourceNotReadyException	502	message	Service
exception	RuntimeAliasDeletedException	409	message	User
exception	RuntimeVersionDeletedException	409	message	User
exception	S3FilesMountConnectivityException	408	Message	User
exception	S3FilesMountFailureException	403	Message	User
exception	S3FilesMountTimeoutException	408	Message	User
exception	SerializedRequestEntityTooLargeException	413	message	User
exception	ServiceException	500	Message	Service
exception	ServiceQuotaExceededException	402	Message	User
exception	SnapStartException	400	Message	User
exception	SnapStartNotReadyException	409	Message	User
exception	SnapStartRegenerationFailureException	409	Message	User
exception	SnapStartTimeoutException	408	Message	User
exception	SubnetIPAddressLimitReachedException	502	Message	Service
exception	TooManyRequestsException	429	message	User
exception	UnsupportedMediaTypeException	415	message	User
structure	AddLayerVersionPermissionRequest
	LayerName!	LayerNameOrArn	path	LayerName
	VersionNumber!	LayerVersionNumber	path	VersionNumber
	StatementId!	StatementId
	Action!	LayerPermissionAllowedAction
	Principal!	LayerPermissionAllowedPrincipal
	OrganizationId	OrganizationId
	RevisionId	String	query	RevisionId
string	LayerNameOrArn	min=1	max=2048	pattern=(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]{1,140}|[a-zA-Z0-9-_]{1,140})
long	LayerVersionNumber
string	StatementId	min=1	max=100	pattern=([a-zA-Z0-9-_]+)
string	LayerPermissionAllowedAction	min=0	max=22	pattern=lambda:GetLayerVersion
string	LayerPermissionAllowedPrincipal	min=0	max=10000	pattern=\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root
string	OrganizationId	min=0	max=34	pattern=o-[a-z0-9]{10,32}
string	String
structure	AddPermissionRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	StatementId!	StatementId
	Action!	Action
	Principal!	Principal
	SourceArn	Arn
	FunctionUrlAuthType	FunctionUrlAuthType
	InvokedViaFunctionUrl	InvokedViaFunctionUrl
	SourceAccount	SourceOwner
	EventSourceToken	EventSourceToken
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	RevisionId	String
	PrincipalOrgID	PrincipalOrgID
string	NamespacedFunctionName	min=1	max=256	pattern=(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?
string	Action	min=0	max=10000	pattern=(lambda:[*]|lambda:[a-zA-Z]+|[*])
string	Principal	min=0	max=2048	pattern=[^\s]+
string	Arn	min=0	max=10000	pattern=arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)
string	FunctionUrlAuthType	enum=NONE|AWS_IAM
boolean	InvokedViaFunctionUrl
string	SourceOwner	min=0	max=12	pattern=\d{12}
string	EventSourceToken	min=0	max=256	pattern=[a-zA-Z0-9._\-]+
string	NumericLatestPublishedOrAliasQualifier	min=1	max=128	pattern=\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+
string	PrincipalOrgID	min=12	max=34	pattern=o-[a-z0-9]{10,32}
structure	CheckpointDurableExecutionRequest
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
	CheckpointToken!	CheckpointToken
	Updates	OperationUpdates
	ClientToken	ClientToken
string	DurableExecutionArn	min=1	max=1024	pattern=arn:([a-zA-Z0-9-]+):lambda:([a-zA-Z0-9-]+):(\d{12}):function:([a-zA-Z0-9_-]+):(\$LATEST(?:\.PUBLISHED)?|[0-9]+)/durable-execution/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)
string	CheckpointToken	min=1	max=2048	pattern=[A-Za-z0-9+/]+={0,2}
list	OperationUpdates	of=OperationUpdate
structure	OperationUpdate
	Id!	OperationId
	ParentId	OperationId
	Name	OperationName
	Type!	OperationType
	SubType	OperationSubType
	Action!	OperationAction
	Payload	OperationPayload
	Error	ErrorObject
	ContextOptions	ContextOptions
	StepOptions	StepOptions
	WaitOptions	WaitOptions
	CallbackOptions	CallbackOptions
	ChainedInvokeOptions	ChainedInvokeOptions
string	OperationId	min=1	max=64	pattern=[a-zA-Z0-9-_]+
string	OperationName	min=1	max=256	pattern=[\x20-\x7E]+
string	OperationType	enum=EXECUTION|CONTEXT|STEP|WAIT|CALLBACK|CHAINED_INVOKE
string	OperationSubType	min=1	max=32	pattern=[a-zA-Z0-9-_]+
string	OperationAction	enum=START|SUCCEED|FAIL|RETRY|CANCEL
string	OperationPayload	min=0	max=6291456	sensitive
structure	ErrorObject
	ErrorMessage	ErrorMessage
	ErrorType	ErrorType
	ErrorData	ErrorData
	StackTrace	StackTraceEntries
string	ErrorMessage	sensitive
string	ErrorType	sensitive
string	ErrorData	sensitive
list	StackTraceEntries	of=StackTraceEntry
string	StackTraceEntry	sensitive
structure	ContextOptions
	ReplayChildren	ReplayChildren
boolean	ReplayChildren
structure	StepOptions
	NextAttemptDelaySeconds	StepOptionsNextAttemptDelaySecondsInteger
integer	StepOptionsNextAttemptDelaySecondsInteger	min=1	max=31622400
structure	WaitOptions
	WaitSeconds	WaitOptionsWaitSecondsInteger
integer	WaitOptionsWaitSecondsInteger	min=1	max=31622400
structure	CallbackOptions
	TimeoutSeconds	CallbackOptionsTimeoutSecondsInteger
	HeartbeatTimeoutSeconds	CallbackOptionsHeartbeatTimeoutSecondsInteger
integer	CallbackOptionsTimeoutSecondsInteger	min=0	max=99999999
integer	CallbackOptionsHeartbeatTimeoutSecondsInteger	min=0	max=99999999
structure	ChainedInvokeOptions
	FunctionName!	NamespacedFunctionName
	TenantId	TenantId
	XAmznTraceId	XAmznTraceId
string	TenantId	min=1	max=256	pattern=[a-zA-Z0-9\._:\/=+\-@ ]+
string	XAmznTraceId	min=0	max=8192
string	ClientToken	min=1	max=64	pattern=[\x21-\x7E]+
structure	CreateAliasRequest
	FunctionName!	FunctionName	path	FunctionName
	Name!	Alias
	FunctionVersion!	VersionWithLatestPublished
	Description	Description
	RoutingConfig	AliasRoutingConfiguration
string	FunctionName	min=1	max=140	pattern=(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?
string	Alias	min=1	max=128	pattern=(?!^[0-9]+$)([a-zA-Z0-9-_]+)
string	VersionWithLatestPublished	min=1	max=1024	pattern=(\$LATEST(\.PUBLISHED)?|[0-9]+)
string	Description	min=0	max=256
structure	AliasRoutingConfiguration
	AdditionalVersionWeights	AdditionalVersionWeights
map	AdditionalVersionWeights	of=Weight	keys=AdditionalVersion
string	AdditionalVersion	min=1	max=1024	pattern=[0-9]+
double	Weight	min=0.0	max=1.0
structure	CreateCapacityProviderRequest
	CapacityProviderName!	CapacityProviderName
	VpcConfig!	CapacityProviderVpcConfig
	PermissionsConfig!	CapacityProviderPermissionsConfig
	InstanceRequirements	InstanceRequirements
	CapacityProviderScalingConfig	CapacityProviderScalingConfig
	KmsKeyArn	KMSKeyArnNonEmpty
	Tags	Tags
	PropagateTags	PropagateTags
	TelemetryConfig	CapacityProviderTelemetryConfig
string	CapacityProviderName	min=1	max=140	pattern=(arn:aws[a-zA-Z-]*:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:capacity-provider:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+
structure	CapacityProviderVpcConfig
	SubnetIds!	CapacityProviderSubnetIds
	SecurityGroupIds!	CapacityProviderSecurityGroupIds
list	CapacityProviderSubnetIds	min=1	max=16	of=SubnetId
string	SubnetId	min=0	max=1024	pattern=subnet-[0-9a-z]*
list	CapacityProviderSecurityGroupIds	min=0	max=5	of=SecurityGroupId
string	SecurityGroupId	min=0	max=1024	pattern=sg-[0-9a-zA-Z]*
structure	CapacityProviderPermissionsConfig
	CapacityProviderOperatorRoleArn!	RoleArn
string	RoleArn	min=0	max=10000	pattern=arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+
structure	InstanceRequirements
	Architectures	ArchitecturesList
	AllowedInstanceTypes	InstanceTypeSet
	ExcludedInstanceTypes	InstanceTypeSet
list	ArchitecturesList	min=1	max=1	of=Architecture
string	Architecture	enum=x86_64|arm64
list	InstanceTypeSet	min=0	max=400	of=InstanceType
string	InstanceType	min=1	max=30	pattern=[a-zA-Z0-9\.\*\-]+
structure	CapacityProviderScalingConfig
	MaxVCpuCount	CapacityProviderMaxVCpuCount
	ScalingMode	CapacityProviderScalingMode
	ScalingPolicies	CapacityProviderScalingPoliciesList
integer	CapacityProviderMaxVCpuCount	min=2	max=15000
string	CapacityProviderScalingMode	enum=Auto|Manual
list	CapacityProviderScalingPoliciesList	min=1	max=10	of=TargetTrackingScalingPolicy
structure	TargetTrackingScalingPolicy
	PredefinedMetricType!	CapacityProviderPredefinedMetricType
	TargetValue!	MetricTargetValue
string	CapacityProviderPredefinedMetricType	enum=LambdaCapacityProviderAverageCPUUtilization|LambdaCapacityProviderAverageGPUUtilization
double	MetricTargetValue	min=0	max=100
string	KMSKeyArnNonEmpty	min=0	max=10000	pattern=arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*
map	Tags	of=TagValue	keys=TagKey
string	TagKey	min=1	max=128	pattern=([\p{L}\p{Z}\p{N}_.:/=+\-@]*)
string	TagValue	min=0	max=256	pattern=([\p{L}\p{Z}\p{N}_.:/=+\-@]*)
structure	PropagateTags
	Mode	PropagateTagsMode
	ExplicitTags	PropagateTagsExplicitTagsMap
string	PropagateTagsMode	enum=None|Explicit
map	PropagateTagsExplicitTagsMap	min=0	max=40	of=TagValue	keys=TagKey
structure	CapacityProviderTelemetryConfig
	LoggingConfig	CapacityProviderLoggingConfig
structure	CapacityProviderLoggingConfig
	SystemLogLevel	SystemLogLevel
	LogGroup	LogGroup
string	SystemLogLevel	enum=DEBUG|INFO|WARN
string	LogGroup	min=1	max=512	pattern=[\.\-_/#A-Za-z0-9]+
structure	CreateCodeSigningConfigRequest
	Description	Description
	AllowedPublishers!	AllowedPublishers
	CodeSigningPolicies	CodeSigningPolicies
	Tags	Tags
structure	AllowedPublishers
	SigningProfileVersionArns!	SigningProfileVersionArns
list	SigningProfileVersionArns	min=1	max=20	of=Arn
structure	CodeSigningPolicies
	UntrustedArtifactOnDeployment	CodeSigningPolicy
string	CodeSigningPolicy	enum=Warn|Enforce
structure	CreateEventSourceMappingRequest
	EventSourceArn	Arn
	FunctionName!	NamespacedFunctionName
	Enabled	Enabled
	BatchSize	BatchSize
	FilterCriteria	FilterCriteria
	KMSKeyArn	KMSKeyArn
	MetricsConfig	EventSourceMappingMetricsConfig
	LoggingConfig	EventSourceMappingLoggingConfig
	ScalingConfig	ScalingConfig
	MaximumBatchingWindowInSeconds	MaximumBatchingWindowInSeconds
	ParallelizationFactor	ParallelizationFactor
	StartingPosition	EventSourcePosition
	StartingPositionTimestamp	Date
	DestinationConfig	DestinationConfig
	MaximumRecordAgeInSeconds	MaximumRecordAgeInSeconds
	BisectBatchOnFunctionError	BisectBatchOnFunctionError
	MaximumRetryAttempts	MaximumRetryAttemptsEventSourceMapping
	Tags	Tags
	TumblingWindowInSeconds	TumblingWindowInSeconds
	Topics	Topics
	Queues	Queues
	SourceAccessConfigurations	SourceAccessConfigurations
	SelfManagedEventSource	SelfManagedEventSource
	FunctionResponseTypes	FunctionResponseTypeList
	AmazonManagedKafkaEventSourceConfig	AmazonManagedKafkaEventSourceConfig
	SelfManagedKafkaEventSourceConfig	SelfManagedKafkaEventSourceConfig
	DocumentDBEventSourceConfig	DocumentDBEventSourceConfig
	ProvisionedPollerConfig	ProvisionedPollerConfig
boolean	Enabled
integer	BatchSize	min=1	max=10000
structure	FilterCriteria
	Filters	FilterList
list	FilterList	of=Filter
structure	Filter
	Pattern	Pattern
string	Pattern	min=0	max=4096	pattern=[\s\S]*
string	KMSKeyArn	min=0	max=10000	pattern=(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()
structure	EventSourceMappingMetricsConfig
	Metrics	EventSourceMappingMetricList
list	EventSourceMappingMetricList	min=0	max=3	of=EventSourceMappingMetric
string	EventSourceMappingMetric	enum=EventCount|ErrorCount|KafkaMetrics
structure	EventSourceMappingLoggingConfig
	SystemLogLevel	EventSourceMappingSystemLogLevel
string	EventSourceMappingSystemLogLevel	enum=DEBUG|INFO|WARN
structure	ScalingConfig
	MaximumConcurrency	MaximumConcurrency
integer	MaximumConcurrency	min=2	max=1000
integer	MaximumBatchingWindowInSeconds	min=0	max=300
integer	ParallelizationFactor	min=1	max=10
string	EventSourcePosition	enum=TRIM_HORIZON|LATEST|AT_TIMESTAMP
timestamp	Date
structure	DestinationConfig
	OnSuccess	OnSuccess
	OnFailure	OnFailure
structure	OnSuccess
	Destination	DestinationArn
string	DestinationArn	min=0	max=350	pattern=$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)
structure	OnFailure
	Destination	DestinationArn
integer	MaximumRecordAgeInSeconds	min=-1	max=604800
boolean	BisectBatchOnFunctionError
integer	MaximumRetryAttemptsEventSourceMapping	min=-1	max=10000
integer	TumblingWindowInSeconds	min=0	max=900
list	Topics	min=1	max=1	of=Topic
string	Topic	min=1	max=249	pattern=[^.]([a-zA-Z0-9\-_.]+)
list	Queues	min=1	max=1	of=Queue
string	Queue	min=1	max=1000	pattern=[\s\S]*
list	SourceAccessConfigurations	min=0	max=23	of=SourceAccessConfiguration
structure	SourceAccessConfiguration
	Type	SourceAccessType
	URI	URI
string	SourceAccessType	enum=BASIC_AUTH|VPC_SUBNET|VPC_SECURITY_GROUP|SASL_SCRAM_512_AUTH|SASL_SCRAM_256_AUTH|VIRTUAL_HOST|CLIENT_CERTIFICATE_TLS_AUTH|SERVER_ROOT_CA_CERTIFICATE|OAUTHBEARER_AUTH|OAUTHBEARER_SCOPE|OAUTHBEARER_AUDIENCE|OAUTHBEARER_LOGICAL_CLUSTER|OAUTHBEARER_IDENTITY_POOL|IAM_AUTH|IAM_OAUTHBEARER_AUTH
string	URI	min=1	max=200	pattern=[ a-zA-Z0-9-\/*:_+=.@-]*
structure	SelfManagedEventSource
	Endpoints	Endpoints
map	Endpoints	min=1	max=2	of=EndpointLists	keys=EndPointType
string	EndPointType	enum=KAFKA_BOOTSTRAP_SERVERS
list	EndpointLists	min=1	max=10	of=Endpoint
string	Endpoint	min=1	max=300	pattern=(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9\-]*[A-Za-z0-9]):[0-9]{1,5}
list	FunctionResponseTypeList	min=0	max=1	of=FunctionResponseType
string	FunctionResponseType	enum=ReportBatchItemFailures
structure	AmazonManagedKafkaEventSourceConfig
	ConsumerGroupId	URI
	SchemaRegistryConfig	KafkaSchemaRegistryConfig
structure	KafkaSchemaRegistryConfig
	SchemaRegistryURI	SchemaRegistryUri
	EventRecordFormat	SchemaRegistryEventRecordFormat
	AccessConfigs	KafkaSchemaRegistryAccessConfigList
	SchemaValidationConfigs	KafkaSchemaValidationConfigList
string	SchemaRegistryUri	min=1	max=10000	pattern=[a-zA-Z0-9-\/*:_+=.@-]*
string	SchemaRegistryEventRecordFormat	enum=JSON|SOURCE
list	KafkaSchemaRegistryAccessConfigList	of=KafkaSchemaRegistryAccessConfig
structure	KafkaSchemaRegistryAccessConfig
	Type	KafkaSchemaRegistryAuthType
	URI	Arn
string	KafkaSchemaRegistryAuthType	enum=BASIC_AUTH|CLIENT_CERTIFICATE_TLS_AUTH|SERVER_ROOT_CA_CERTIFICATE|OAUTHBEARER_AUTH
list	KafkaSchemaValidationConfigList	of=KafkaSchemaValidationConfig
structure	KafkaSchemaValidationConfig
	Attribute	KafkaSchemaValidationAttribute
string	KafkaSchemaValidationAttribute	enum=KEY|VALUE
structure	SelfManagedKafkaEventSourceConfig
	ConsumerGroupId	URI
	SchemaRegistryConfig	KafkaSchemaRegistryConfig
	ConsumptionMode	KafkaEventSourceMappingConsumptionMode
string	KafkaEventSourceMappingConsumptionMode	enum=Stream|Queue
structure	DocumentDBEventSourceConfig
	DatabaseName	DatabaseName
	CollectionName	CollectionName
	FullDocument	FullDocument
string	DatabaseName	min=1	max=63	pattern=[^ /\.$\x22]*
string	CollectionName	min=1	max=57	pattern=(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)
string	FullDocument	enum=UpdateLookup|Default
structure	ProvisionedPollerConfig
	MinimumPollers	MinimumNumberOfPollers
	MaximumPollers	MaximumNumberOfPollers
	PollerGroupName	ProvisionedPollerGroupName
integer	MinimumNumberOfPollers	min=1	max=200
integer	MaximumNumberOfPollers	min=1	max=10000
string	ProvisionedPollerGroupName	min=0	max=128	pattern=[a-zA-Z0-9-_]*
structure	CreateFunctionRequest
	FunctionName!	FunctionName
	Runtime	Runtime
	Role!	RoleArn
	Handler	Handler
	Code!	FunctionCode
	Description	Description
	Timeout	Timeout
	MemorySize	MemorySize
	Publish	Boolean
	PublishTo	FunctionVersionLatestPublished
	VpcConfig	VpcConfig
	PackageType	PackageType
	DeadLetterConfig	DeadLetterConfig
	Environment	Environment
	KMSKeyArn	KMSKeyArn
	TracingConfig	TracingConfig
	Tags	Tags
	Layers	LayerList
	FileSystemConfigs	FileSystemConfigList
	CodeSigningConfigArn	CodeSigningConfigArn
	ImageConfig	ImageConfig
	Architectures	ArchitecturesList
	EphemeralStorage	EphemeralStorage
	SnapStart	SnapStart
	LoggingConfig	LoggingConfig
	TenancyConfig	TenancyConfig
	CapacityProviderConfig	CapacityProviderConfig
	DurableConfig	DurableConfig
	RuntimeConfig	FunctionRuntimeConfig
	AcceleratorConfig	AcceleratorConfig
string	Runtime	enum=nodejs|nodejs4.3|nodejs6.10|nodejs8.10|nodejs10.x|nodejs12.x|nodejs14.x|nodejs16.x|nodejs18.x|nodejs20.x|nodejs22.x|nodejs24.x|java8|java8.al2|java11|java17|java21|java25|python2.7|python3.6|python3.7|python3.8|python3.9|python3.10|python3.11|python3.12|python3.13|python3.14|dotnetcore1.0|dotnetcore2.0|dotnetcore2.1|dotnetcore3.1|dotnet6|dotnet8|dotnet10|nodejs4.3-edge|go1.x|ruby2.5|ruby2.7|ruby3.2|ruby3.3|ruby3.4|ruby4.0|provided|provided.al2|provided.al2023|nodejs26.x|python3.15|java8.al2023|java11.al2023|java17.al2023|custom
string	Handler	min=0	max=128	pattern=[^\s]+
structure	FunctionCode
	ZipFile	Blob
	S3Bucket	S3Bucket
	S3Key	S3Key
	S3ObjectVersion	S3ObjectVersion
	S3ObjectStorageMode	S3ObjectStorageMode
	ImageUri	String
	SourceKMSKeyArn	KMSKeyArn
blob	Blob	sensitive
string	S3Bucket	min=3	max=63	pattern=[0-9A-Za-z\.\-_]*(?<!\.)
string	S3Key	min=1	max=1024	pattern=.*
string	S3ObjectVersion	min=1	max=1024	pattern=.*
string	S3ObjectStorageMode	enum=COPY|REFERENCE
integer	Timeout	min=1	max=5400
integer	MemorySize	min=128	max=32768
boolean	Boolean
string	FunctionVersionLatestPublished	enum=LATEST_PUBLISHED
structure	VpcConfig
	SubnetIds	SubnetIds
	SecurityGroupIds	SecurityGroupIds
	Ipv6AllowedForDualStack	NullableBoolean
list	SubnetIds	min=0	max=16	of=SubnetId
list	SecurityGroupIds	min=0	max=5	of=SecurityGroupId
boolean	NullableBoolean
string	PackageType	enum=Zip|Image
structure	DeadLetterConfig
	TargetArn	ResourceArn
string	ResourceArn	min=0	max=10000	pattern=(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()
structure	Environment
	Variables	EnvironmentVariables
map	EnvironmentVariables	sensitive	of=EnvironmentVariableValue	keys=EnvironmentVariableName
string	EnvironmentVariableName	sensitive	pattern=[a-zA-Z]([a-zA-Z0-9_])+
string	EnvironmentVariableValue	sensitive
structure	TracingConfig
	Mode	TracingMode
string	TracingMode	enum=Active|PassThrough
list	LayerList	of=LayerVersionArn
string	LayerVersionArn	min=1	max=2048	pattern=((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))
list	FileSystemConfigList	min=0	max=1	of=FileSystemConfig
structure	FileSystemConfig
	Arn!	FileSystemArn
	LocalMountPath!	LocalMountPath
	S3FilesConfig	S3FilesConfig
string	FileSystemArn	min=0	max=256	pattern=arn:aws[a-zA-Z-]*:elasticfilesystem:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:access-point/fsap-[a-f0-9]{17}$|^arn:aws[-a-z]*:s3files:[0-9a-z-:]+:file-system/fs-[0-9a-f]{17,40}/access-point/fsap-[0-9a-f]{17,40}
string	LocalMountPath	min=0	max=160	pattern=/mnt/[a-zA-Z0-9-_.]+
structure	S3FilesConfig
	DirectS3Read	DirectS3Read
string	DirectS3Read	enum=ENABLED|DISABLED|AUTO
string	CodeSigningConfigArn	min=0	max=200	pattern=arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:code-signing-config:csc-[a-z0-9]{17}
structure	ImageConfig
	EntryPoint	StringList
	Command	StringList
	WorkingDirectory	WorkingDirectory
list	StringList	min=0	max=1500	of=String
string	WorkingDirectory	min=0	max=1000
structure	EphemeralStorage
	Size!	EphemeralStorageSize
integer	EphemeralStorageSize	min=512	max=32768
structure	SnapStart
	ApplyOn	SnapStartApplyOn
string	SnapStartApplyOn	enum=PublishedVersions|None
structure	LoggingConfig
	LogFormat	LogFormat
	ApplicationLogLevel	ApplicationLogLevel
	SystemLogLevel	SystemLogLevel
	LogGroup	LogGroup
string	LogFormat	enum=JSON|Text
string	ApplicationLogLevel	enum=TRACE|DEBUG|INFO|WARN|ERROR|FATAL
structure	TenancyConfig
	TenantIsolationMode!	TenantIsolationMode
string	TenantIsolationMode	enum=PER_TENANT
structure	CapacityProviderConfig
	LambdaManagedInstancesCapacityProviderConfig!	LambdaManagedInstancesCapacityProviderConfig
structure	LambdaManagedInstancesCapacityProviderConfig
	CapacityProviderArn!	CapacityProviderArn
	PerExecutionEnvironmentMaxConcurrency	PerExecutionEnvironmentMaxConcurrency
	ExecutionEnvironmentMemoryGiBPerVCpu	ExecutionEnvironmentMemoryGiBPerVCpu
string	CapacityProviderArn	min=1	max=140	pattern=arn:aws[a-zA-Z-]*:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:capacity-provider:[a-zA-Z0-9-_]+
integer	PerExecutionEnvironmentMaxConcurrency	min=1	max=1600
double	ExecutionEnvironmentMemoryGiBPerVCpu	min=2	max=8
structure	DurableConfig
	KMSKeyArn	KMSKeyArn
	RetentionPeriodInDays	RetentionPeriodInDays
	ExecutionTimeout	ExecutionTimeout
integer	RetentionPeriodInDays	min=1	max=90
integer	ExecutionTimeout	min=1	max=31622400
structure	FunctionRuntimeConfig
	RuntimeArn!	FunctionRuntimeArn
	RuntimeAlias!	FunctionRuntimeAlias
string	FunctionRuntimeArn	min=48	max=2048	pattern=arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:runtime/.+
string	FunctionRuntimeAlias	min=1	max=128
structure	AcceleratorConfig
	AcceleratorMemorySize!	AcceleratorMemoryGB
integer	AcceleratorMemoryGB
structure	CreateFunctionUrlConfigRequest
	FunctionName!	FunctionUrlFunctionName	path	FunctionName
	Qualifier	FunctionUrlQualifier	query	Qualifier
	AuthType!	FunctionUrlAuthType
	Cors	Cors
	InvokeMode	InvokeMode
string	FunctionUrlFunctionName	min=1	max=140	pattern=(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?
string	FunctionUrlQualifier	min=1	max=128	pattern=((?!^\d+$)^[0-9a-zA-Z-_]+$)
structure	Cors
	AllowCredentials	AllowCredentials
	AllowHeaders	HeadersList
	AllowMethods	AllowMethodsList
	AllowOrigins	AllowOriginsList
	ExposeHeaders	HeadersList
	MaxAge	MaxAge
boolean	AllowCredentials
list	HeadersList	min=0	max=100	of=Header
string	Header	min=0	max=1024	pattern=.*
list	AllowMethodsList	min=0	max=6	of=Method
string	Method	min=0	max=6	pattern=.*
list	AllowOriginsList	min=0	max=100	of=Origin
string	Origin	min=1	max=253	pattern=.*
integer	MaxAge	min=0	max=86400
string	InvokeMode	enum=BUFFERED|RESPONSE_STREAM
structure	DeleteAliasRequest
	FunctionName!	FunctionName	path	FunctionName
	Name!	Alias	path	Name
structure	DeleteCapacityProviderRequest
	CapacityProviderName!	CapacityProviderName	path	CapacityProviderName
structure	DeleteCodeSigningConfigRequest
	CodeSigningConfigArn!	CodeSigningConfigArn	path	CodeSigningConfigArn
structure	DeleteDurableExecutionRequest
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
structure	DeleteEventSourceMappingRequest
	UUID!	UUIDString	path	UUID
string	UUIDString	min=36	max=36
structure	DeleteFunctionRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
structure	DeleteFunctionCodeSigningConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
structure	DeleteFunctionConcurrencyRequest
	FunctionName!	FunctionName	path	FunctionName
structure	DeleteFunctionEventInvokeConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
structure	DeleteFunctionUrlConfigRequest
	FunctionName!	FunctionUrlFunctionName	path	FunctionName
	Qualifier	FunctionUrlQualifier	query	Qualifier
structure	DeleteLayerVersionRequest
	LayerName!	LayerNameOrArn	path	LayerName
	VersionNumber!	LayerVersionNumber	path	VersionNumber
structure	DeleteProvisionedConcurrencyConfigRequest
	FunctionName!	FunctionName	path	FunctionName
	Qualifier!	Qualifier	query	Qualifier
string	Qualifier	min=1	max=128	pattern=(|[a-zA-Z0-9$_-]+)
structure	DeleteResourcePolicyRequest
	ResourceArn!	PolicyResourceArn	path	ResourceArn
	RevisionId	RevisionId	query	RevisionId
string	PolicyResourceArn	min=0	max=512	pattern=arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_])+)?|runtime/[a-zA-Z0-9-_./]+)
string	RevisionId	min=36	max=36	pattern=[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}
structure	GetAccountSettingsRequest
structure	GetAliasRequest
	FunctionName!	FunctionName	path	FunctionName
	Name!	Alias	path	Name
structure	GetCapacityProviderRequest
	CapacityProviderName!	CapacityProviderName	path	CapacityProviderName
structure	GetCodeSigningConfigRequest
	CodeSigningConfigArn!	CodeSigningConfigArn	path	CodeSigningConfigArn
structure	GetDurableExecutionRequest
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
	IncludeExecutionData	IncludeExecutionData	query	IncludeExecutionData
boolean	IncludeExecutionData
structure	GetDurableExecutionHistoryRequest
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
	IncludeExecutionData	IncludeExecutionData	query	IncludeExecutionData
	MaxItems	ItemCount	query	MaxItems
	Marker	String	query	Marker
	ReverseOrder	ReverseOrder	query	ReverseOrder
integer	ItemCount	min=0	max=1000
boolean	ReverseOrder
structure	GetDurableExecutionStateRequest
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
	CheckpointToken!	CheckpointToken	query	CheckpointToken
	Marker	String	query	Marker
	MaxItems	ItemCount	query	MaxItems
structure	GetEventSourceMappingRequest
	UUID!	UUIDString	path	UUID
structure	GetFunctionRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
structure	GetFunctionCodeSigningConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
structure	GetFunctionConcurrencyRequest
	FunctionName!	FunctionName	path	FunctionName
structure	GetFunctionConfigurationRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
structure	GetFunctionEventInvokeConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
structure	GetFunctionRecursionConfigRequest
	FunctionName!	UnqualifiedFunctionName	path	FunctionName
string	UnqualifiedFunctionName	min=1	max=140	pattern=(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)
structure	GetFunctionScalingConfigRequest
	FunctionName!	UnqualifiedFunctionName	path	FunctionName
	Qualifier!	PublishedFunctionQualifier	query	Qualifier
string	PublishedFunctionQualifier	min=1	max=128	pattern=(\$LATEST\.PUBLISHED|[0-9]+)
structure	GetFunctionUrlConfigRequest
	FunctionName!	FunctionUrlFunctionName	path	FunctionName
	Qualifier	FunctionUrlQualifier	query	Qualifier
structure	GetLayerVersionRequest
	LayerName!	LayerNameOrArn	path	LayerName
	VersionNumber!	LayerVersionNumber	path	VersionNumber
structure	GetLayerVersionByArnRequest
	Arn!	LayerVersionArn	query	Arn
structure	GetLayerVersionPolicyRequest
	LayerName!	LayerNameOrArn	path	LayerName
	VersionNumber!	LayerVersionNumber	path	VersionNumber
structure	GetPolicyRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
structure	GetProvisionedConcurrencyConfigRequest
	FunctionName!	FunctionName	path	FunctionName
	Qualifier!	Qualifier	query	Qualifier
structure	GetResourcePolicyRequest
	ResourceArn!	PolicyResourceArn	path	ResourceArn
structure	GetRuntimeManagementConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
structure	InvocationRequest	payload=Payload
	FunctionName!	NamespacedFunctionName	path	FunctionName
	InvocationType	InvocationType	header	X-Amz-Invocation-Type
	LogType	LogType	header	X-Amz-Log-Type
	ClientContext	String	header	X-Amz-Client-Context
	DurableExecutionName	DurableExecutionName	header	X-Amz-Durable-Execution-Name
	Payload	Blob
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	TenantId	TenantId	header	X-Amz-Tenant-Id
string	InvocationType	enum=Event|RequestResponse|DryRun
string	LogType	enum=None|Tail
string	DurableExecutionName	min=1	max=64	pattern=[a-zA-Z0-9-_]+
structure	InvokeAsyncRequest	payload=InvokeArgs
	FunctionName!	NamespacedFunctionName	path	FunctionName
	InvokeArgs!	BlobStream
blob	BlobStream
structure	InvokeWithResponseStreamRequest	payload=Payload
	FunctionName!	NamespacedFunctionName	path	FunctionName
	LogType	LogType	header	X-Amz-Log-Type
	ClientContext	String	header	X-Amz-Client-Context
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	Payload	Blob
	TenantId	TenantId	header	X-Amz-Tenant-Id
	InvocationType	ResponseStreamingInvocationType	header	X-Amz-Invocation-Type
string	ResponseStreamingInvocationType	enum=RequestResponse|DryRun
structure	ListAliasesRequest
	FunctionName!	FunctionName	path	FunctionName
	FunctionVersion	VersionWithLatestPublished	query	FunctionVersion
	Marker	String	query	Marker
	MaxItems	MaxListItems	query	MaxItems
integer	MaxListItems	min=1	max=10000
structure	ListCapacityProvidersRequest
	State	CapacityProviderState	query	State
	Marker	String	query	Marker
	MaxItems	MaxFiftyListItems	query	MaxItems
string	CapacityProviderState	enum=Pending|Active|Failed|Deleting
integer	MaxFiftyListItems	min=1	max=50
structure	ListCodeSigningConfigsRequest
	Marker	String	query	Marker
	MaxItems	MaxListItems	query	MaxItems
structure	ListDurableExecutionsByFunctionRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	DurableExecutionName	DurableExecutionName	query	DurableExecutionName
	Statuses	ExecutionStatusList	query	Statuses
	StartedAfter	ExecutionTimestamp	query	StartedAfter
	StartedBefore	ExecutionTimestamp	query	StartedBefore
	ReverseOrder	ReverseOrder	query	ReverseOrder
	Marker	String	query	Marker
	MaxItems	ItemCount	query	MaxItems
list	ExecutionStatusList	min=1	max=10	of=ExecutionStatus
string	ExecutionStatus	enum=RUNNING|SUCCEEDED|FAILED|TIMED_OUT|STOPPED|DELETING|PAUSING|PAUSED
timestamp	ExecutionTimestamp
structure	ListEventSourceMappingsRequest
	EventSourceArn	Arn	query	EventSourceArn
	FunctionName	NamespacedFunctionName	query	FunctionName
	Marker	String	query	Marker
	MaxItems	MaxListItems	query	MaxItems
structure	ListFunctionEventInvokeConfigsRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Marker	String	query	Marker
	MaxItems	MaxFunctionEventInvokeConfigListItems	query	MaxItems
integer	MaxFunctionEventInvokeConfigListItems	min=1	max=50
structure	ListFunctionUrlConfigsRequest
	FunctionName!	FunctionUrlFunctionName	path	FunctionName
	Marker	String	query	Marker
	MaxItems	MaxItems	query	MaxItems
integer	MaxItems	min=1	max=50
structure	ListFunctionVersionsByCapacityProviderRequest
	CapacityProviderName!	CapacityProviderName	path	CapacityProviderName
	Marker	String	query	Marker
	MaxItems	MaxFiftyListItems	query	MaxItems
structure	ListFunctionsRequest
	MasterRegion	MasterRegion	query	MasterRegion
	FunctionVersion	FunctionVersion	query	FunctionVersion
	Marker	String	query	Marker
	MaxItems	MaxListItems	query	MaxItems
string	MasterRegion	min=1	max=50	pattern=ALL|(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}
string	FunctionVersion	enum=ALL
structure	ListFunctionsByCodeSigningConfigRequest
	CodeSigningConfigArn!	CodeSigningConfigArn	path	CodeSigningConfigArn
	Marker	String	query	Marker
	MaxItems	MaxListItems	query	MaxItems
structure	ListLayerVersionsRequest
	CompatibleArchitecture	Architecture	query	CompatibleArchitecture
	CompatibleRuntime	Runtime	query	CompatibleRuntime
	LayerName!	LayerNameOrArn	path	LayerName
	Marker	String	query	Marker
	MaxItems	MaxLayerListItems	query	MaxItems
integer	MaxLayerListItems	min=1	max=50
structure	ListLayersRequest
	CompatibleArchitecture	Architecture	query	CompatibleArchitecture
	CompatibleRuntime	Runtime	query	CompatibleRuntime
	Marker	String	query	Marker
	MaxItems	MaxLayerListItems	query	MaxItems
structure	ListProvisionedConcurrencyConfigsRequest
	FunctionName!	FunctionName	path	FunctionName
	Marker	String	query	Marker
	MaxItems	MaxProvisionedConcurrencyConfigListItems	query	MaxItems
integer	MaxProvisionedConcurrencyConfigListItems	min=1	max=50
structure	ListTagsRequest
	Resource!	TaggableResource	path	Resource
string	TaggableResource	min=1	max=10000	pattern=arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|(capacity-provider|network-connector):[a-zA-Z0-9-_]{1,64})
structure	ListVersionsByFunctionRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Marker	String	query	Marker
	MaxItems	MaxListItems	query	MaxItems
structure	PauseDurableExecutionRequest
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
	ClientToken	ClientToken
	Reason	PauseReason
	ExecutionTimeoutPaused	ExecutionTimeoutPaused
string	PauseReason	min=0	max=1024	sensitive
boolean	ExecutionTimeoutPaused
structure	PublishLayerVersionRequest
	LayerName!	LayerNameOrArn	path	LayerName
	Description	Description
	Content!	LayerVersionContentInput
	CompatibleArchitectures	CompatibleArchitectures
	CompatibleRuntimes	CompatibleRuntimes
	LicenseInfo	LicenseInfo
structure	LayerVersionContentInput
	S3Bucket	S3Bucket
	S3Key	S3Key
	S3ObjectVersion	S3ObjectVersion
	S3ObjectStorageMode	S3ObjectStorageMode
	ZipFile	Blob
list	CompatibleArchitectures	min=0	max=2	of=Architecture
list	CompatibleRuntimes	min=0	max=15	of=Runtime
string	LicenseInfo	min=0	max=512	pattern=.*
structure	PublishVersionRequest
	FunctionName!	FunctionName	path	FunctionName
	CodeSha256	String
	Description	Description
	RevisionId	String
	PublishTo	FunctionVersionLatestPublished
structure	PutFunctionCodeSigningConfigRequest
	CodeSigningConfigArn!	CodeSigningConfigArn
	FunctionName!	NamespacedFunctionName	path	FunctionName
structure	PutFunctionConcurrencyRequest
	FunctionName!	FunctionName	path	FunctionName
	ReservedConcurrentExecutions!	ReservedConcurrentExecutions
integer	ReservedConcurrentExecutions	min=0
structure	PutFunctionEventInvokeConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	MaximumRetryAttempts	MaximumRetryAttempts
	MaximumEventAgeInSeconds	MaximumEventAgeInSeconds
	DestinationConfig	DestinationConfig
integer	MaximumRetryAttempts	min=0	max=2
integer	MaximumEventAgeInSeconds	min=60	max=21600
structure	PutFunctionRecursionConfigRequest
	FunctionName!	UnqualifiedFunctionName	path	FunctionName
	RecursiveLoop!	RecursiveLoop
string	RecursiveLoop	enum=Allow|Terminate
structure	PutFunctionScalingConfigRequest
	FunctionName!	UnqualifiedFunctionName	path	FunctionName
	Qualifier!	PublishedFunctionQualifier	query	Qualifier
	FunctionScalingConfig	FunctionScalingConfig
structure	FunctionScalingConfig
	MinExecutionEnvironments	FunctionScalingConfigExecutionEnvironments
	MaxExecutionEnvironments	FunctionScalingConfigExecutionEnvironments
integer	FunctionScalingConfigExecutionEnvironments	min=0	max=15000
structure	PutProvisionedConcurrencyConfigRequest
	FunctionName!	FunctionName	path	FunctionName
	Qualifier!	Qualifier	query	Qualifier
	ProvisionedConcurrentExecutions!	PositiveInteger
integer	PositiveInteger	min=1
structure	PutResourcePolicyRequest
	ResourceArn!	PolicyResourceArn	path	ResourceArn
	Policy!	ResourcePolicy
	RevisionId	RevisionId
string	ResourcePolicy	min=1	max=20480	pattern=[\s\S]+
structure	PutRuntimeManagementConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	UpdateRuntimeOn!	UpdateRuntimeOn
	RuntimeVersionArn	RuntimeVersionArn
string	UpdateRuntimeOn	enum=Auto|Manual|FunctionUpdate
string	RuntimeVersionArn	min=26	max=2048	pattern=((arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}::runtime:.+)|(arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:runtime/[A-Za-z0-9_.-]{1,128}/version/[A-Za-z0-9_.-]{1,128}))
structure	RemoveLayerVersionPermissionRequest
	LayerName!	LayerNameOrArn	path	LayerName
	VersionNumber!	LayerVersionNumber	path	VersionNumber
	StatementId!	StatementId	path	StatementId
	RevisionId	String	query	RevisionId
structure	RemovePermissionRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	StatementId!	NamespacedStatementId	path	StatementId
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	RevisionId	String	query	RevisionId
string	NamespacedStatementId	min=1	max=100	pattern=([a-zA-Z0-9-_.]+)
structure	ResumeDurableExecutionRequest
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
	ClientToken	ClientToken
	Reason	ResumeReason
string	ResumeReason	min=0	max=1024	sensitive
structure	SendDurableExecutionCallbackFailureRequest	payload=Error
	CallbackId!	CallbackId	path	CallbackId
	Error	ErrorObject
string	CallbackId	min=1	max=1024	pattern=[A-Za-z0-9+/]+={0,2}
structure	SendDurableExecutionCallbackHeartbeatRequest
	CallbackId!	CallbackId	path	CallbackId
structure	SendDurableExecutionCallbackSuccessRequest	payload=Result
	CallbackId!	CallbackId	path	CallbackId
	Result	BinaryOperationPayload
blob	BinaryOperationPayload	min=0	max=1048576	sensitive
structure	StopDurableExecutionRequest	payload=Error
	DurableExecutionArn!	DurableExecutionArn	path	DurableExecutionArn
	Error	ErrorObject
structure	TagResourceRequest
	Resource!	TaggableResource	path	Resource
	Tags!	Tags
structure	UntagResourceRequest
	Resource!	TaggableResource	path	Resource
	TagKeys!	TagKeyList	query	tagKeys
list	TagKeyList	of=TagKey
structure	UpdateAliasRequest
	FunctionName!	FunctionName	path	FunctionName
	Name!	Alias	path	Name
	FunctionVersion	VersionWithLatestPublished
	Description	Description
	RoutingConfig	AliasRoutingConfiguration
	RevisionId	String
structure	UpdateCapacityProviderRequest
	CapacityProviderName!	CapacityProviderName	path	CapacityProviderName
	CapacityProviderScalingConfig	CapacityProviderScalingConfig
	PropagateTags	PropagateTags
	TelemetryConfig	CapacityProviderTelemetryConfig
structure	UpdateCodeSigningConfigRequest
	CodeSigningConfigArn!	CodeSigningConfigArn	path	CodeSigningConfigArn
	Description	Description
	AllowedPublishers	AllowedPublishers
	CodeSigningPolicies	CodeSigningPolicies
structure	UpdateEventSourceMappingRequest
	UUID!	UUIDString	path	UUID
	FunctionName	NamespacedFunctionName
	Enabled	Enabled
	BatchSize	BatchSize
	FilterCriteria	FilterCriteria
	KMSKeyArn	KMSKeyArn
	MetricsConfig	EventSourceMappingMetricsConfig
	LoggingConfig	EventSourceMappingLoggingConfig
	ScalingConfig	ScalingConfig
	MaximumBatchingWindowInSeconds	MaximumBatchingWindowInSeconds
	ParallelizationFactor	ParallelizationFactor
	DestinationConfig	DestinationConfig
	MaximumRecordAgeInSeconds	MaximumRecordAgeInSeconds
	BisectBatchOnFunctionError	BisectBatchOnFunctionError
	MaximumRetryAttempts	MaximumRetryAttemptsEventSourceMapping
	TumblingWindowInSeconds	TumblingWindowInSeconds
	SourceAccessConfigurations	SourceAccessConfigurations
	FunctionResponseTypes	FunctionResponseTypeList
	AmazonManagedKafkaEventSourceConfig	AmazonManagedKafkaEventSourceConfig
	SelfManagedKafkaEventSourceConfig	SelfManagedKafkaEventSourceConfig
	DocumentDBEventSourceConfig	DocumentDBEventSourceConfig
	ProvisionedPollerConfig	ProvisionedPollerConfig
structure	UpdateFunctionCodeRequest
	FunctionName!	FunctionName	path	FunctionName
	ZipFile	Blob
	S3Bucket	S3Bucket
	S3Key	S3Key
	S3ObjectVersion	S3ObjectVersion
	S3ObjectStorageMode	S3ObjectStorageMode
	ImageUri	String
	Architectures	ArchitecturesList
	Publish	Boolean
	PublishTo	FunctionVersionLatestPublished
	DryRun	Boolean
	RevisionId	String
	SourceKMSKeyArn	KMSKeyArn
structure	UpdateFunctionConfigurationRequest
	FunctionName!	FunctionName	path	FunctionName
	Role	RoleArn
	Handler	Handler
	Description	Description
	Timeout	Timeout
	MemorySize	MemorySize
	VpcConfig	VpcConfig
	Environment	Environment
	Runtime	Runtime
	DeadLetterConfig	DeadLetterConfig
	KMSKeyArn	KMSKeyArn
	TracingConfig	TracingConfig
	RevisionId	String
	Layers	LayerList
	FileSystemConfigs	FileSystemConfigList
	ImageConfig	ImageConfig
	EphemeralStorage	EphemeralStorage
	SnapStart	SnapStart
	LoggingConfig	LoggingConfig
	CapacityProviderConfig	CapacityProviderConfig
	DurableConfig	DurableConfig
	RuntimeConfig	FunctionRuntimeConfig
	AcceleratorConfig	AcceleratorConfig
structure	UpdateFunctionEventInvokeConfigRequest
	FunctionName!	NamespacedFunctionName	path	FunctionName
	Qualifier	NumericLatestPublishedOrAliasQualifier	query	Qualifier
	MaximumRetryAttempts	MaximumRetryAttempts
	MaximumEventAgeInSeconds	MaximumEventAgeInSeconds
	DestinationConfig	DestinationConfig
structure	UpdateFunctionUrlConfigRequest
	FunctionName!	FunctionUrlFunctionName	path	FunctionName
	Qualifier	FunctionUrlQualifier	query	Qualifier
	AuthType	FunctionUrlAuthType
	Cors	Cors
	InvokeMode	InvokeMode
"""#
}
